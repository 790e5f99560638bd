"""Carries a run out: replicate after replicate, until every comparison is answered."""
