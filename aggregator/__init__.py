"""Records in, report out: load, compare, judge, render. Needs no framework, no container engine, no network."""
