"""Builds the frameworks' images and virtual environments."""
