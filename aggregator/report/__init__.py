"""The report: answers, figures, tables, each case. Each kind of workload has a folder; the others share the rest."""
