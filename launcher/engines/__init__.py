"""What starts a replicate: containers of a Docker engine, or virtual environments of this machine."""
