"""The report: answers, figures, tables, each case; a room for each workload, and what all of them share."""
