"""Carries a run out: it starts replicates, keeps their records and decides when there are enough."""
