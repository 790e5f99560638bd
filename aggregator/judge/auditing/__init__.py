"""Whether a run followed its order and its rules, from its own records."""
