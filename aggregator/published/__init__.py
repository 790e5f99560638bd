"""Figures that others published: kept with their source, compared with each other, and next to our ratios."""
