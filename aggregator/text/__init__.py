"""What the report says in words, and names and numbers made safe to show."""
