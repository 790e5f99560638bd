"""The report on disk: one page, one text for a forge, and what both have room for."""
