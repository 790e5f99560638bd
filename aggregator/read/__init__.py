"""From files to records that can be trusted."""
