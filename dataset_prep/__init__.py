"""Prepares data sets: CIFAR-100, any folder of class folders, synthetic images; each with one validated manifest."""
