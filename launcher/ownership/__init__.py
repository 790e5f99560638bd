"""Which launcher a process, a temporary folder or a run belongs to, and whether that launcher still lives."""
