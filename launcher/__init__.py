"""Decides which cases to run, in which order, on which engine; never measures and knows no framework by name."""
