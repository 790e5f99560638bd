"""The only clock, the only loop, the record: standard library only, so every image can run it."""
