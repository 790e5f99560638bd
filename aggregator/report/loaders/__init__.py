"""Data loading: its tables, its figures, and what bounds a loader."""
