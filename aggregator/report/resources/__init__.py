"""Start-up and resources of a replicate: import, set-up, first step, memory, CPU time."""
