"""Figures that others published: kept with their source, compared by themselves, set beside ours as ratios."""
