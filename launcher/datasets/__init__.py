"""The data sets that a run reads."""
