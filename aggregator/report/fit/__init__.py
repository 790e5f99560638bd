"""End-to-end training: its tables and its figures."""
