"""From records to compared cases: numbers and verdicts, nothing of how they are shown."""
