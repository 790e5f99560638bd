"""Exports to files: their table."""
