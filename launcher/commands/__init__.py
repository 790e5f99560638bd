"""The subcommands: each file has the options and the work of one."""
