"""From records to verdicts: what may be compared, what the machine did to it, and whether a run kept to its rules."""
