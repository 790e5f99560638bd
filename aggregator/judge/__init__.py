"""From records to verdicts: which records are comparable or disturbed, and whether a run followed its rules."""
