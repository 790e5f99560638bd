"""Training and inference steps: their tables, and the roofline."""
