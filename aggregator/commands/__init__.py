"""One file for each command: its arguments (`add`), and the command itself (`run`), which returns the exit code."""
