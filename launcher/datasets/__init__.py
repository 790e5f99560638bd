"""The data sets that a run reads: which ones, for which workload, and their preparation."""
