"""One file a command: its arguments (`add`) and what it does (`run`), which gives the exit code."""
