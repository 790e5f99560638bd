"""What runs inside a framework's image: the harness, the reference, one folder a framework."""
