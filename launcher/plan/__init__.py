"""Plans a run: its cases, their competitors and the time that they take. Starts nothing."""
