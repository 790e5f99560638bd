"""Records and results in the forms of other programs. Each form writes files of environments to a folder."""
