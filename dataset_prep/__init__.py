"""Prepares data sets, each with a validated manifest: CIFAR-100, any folder of class folders, synthetic images."""
