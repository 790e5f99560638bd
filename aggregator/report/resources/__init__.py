"""What a replicate takes of the machine before and beside its steps: import, set-up, first step, memory, CPU time."""
