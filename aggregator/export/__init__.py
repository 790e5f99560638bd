"""Records in other programs' forms, one file a form. Each takes environments and a folder, and gives the files made."""
