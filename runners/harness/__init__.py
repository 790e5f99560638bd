"""The only clock, the only timing loop, the record. Standard library only, so that every image can run it."""
