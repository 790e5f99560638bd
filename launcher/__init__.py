"""Decides which cases to run, in which order and on which engine. It measures nothing and names no framework."""
