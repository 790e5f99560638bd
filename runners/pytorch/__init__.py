"""PyTorch as a contestant."""
