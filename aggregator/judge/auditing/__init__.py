"""What a run's own records prove of how it was made."""
