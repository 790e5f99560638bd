"""Shared weights, inputs, pixels and counts, the same for every framework. Needs numpy and pillow only."""
