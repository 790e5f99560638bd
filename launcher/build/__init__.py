"""What is built before a run: images or virtual environments of the frameworks."""
