"""The code that runs inside a framework's image: the harness, the reference, and a folder for each framework."""
