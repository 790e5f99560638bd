"""The static site: a folder of reports with an index and the history of runs, and all it needs to go on growing."""
