"""Exports: how long each framework takes to write a network into a file, how large the file is, how exact."""

from collections.abc import Sequence

from aggregator.base.case_names import heading, parameters
from aggregator.base.quantities import DASH, middle_bytes
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import alike
from aggregator.judge.sides import Side
from aggregator.report.cells import MEAN_NOTE, range_cell, time_cell
from aggregator.report.model import Cell, Table
from aggregator.report.tables import Column, by_competitor, setting_columns

LABELS = ("network", "format", "input_size", "batch_size")


def export_tables(cases: Sequence[CaseResult]) -> list[Table]:
    """A table for every other axis but network, format, size and batch."""
    return [_table(family) for family in alike(cases, LABELS)]


def _table(cases: Sequence[CaseResult]) -> Table:
    shown: list[Column] = [
        ("time", lambda _, side: time_cell(side)),
        ("file", lambda _, side: range_cell(side, metrics.file_bytes, middle_bytes)),
        ("difference", lambda _, side: _difference_cell(side)),
        ("memory", lambda _, side: range_cell(side, metrics.peak_memory, middle_bytes)),
    ]
    caption = (
        "Time of the first export in a fresh process, from the call of the exporter to the finished file, with the "
        f"exporter's own imports. {MEAN_NOTE}. The model is in memory before the clock starts. The file contains the "
        "weights. Difference is the relative difference between the logits of the file, computed by a runtime of its "
        "format, and the logits of the model that was exported; the largest of all replicates. Memory is the peak of "
        "the process tree during the export."
    )
    case = cases[0].case
    title = ", ".join(filter(None, (heading(case.workload), parameters(case, *LABELS))))
    return by_competitor(cases, setting_columns(cases, LABELS), shown, caption, title)


def _difference_cell(side: Side) -> Cell:
    found = side.values(metrics.export_difference)
    return Cell(f"{max(found):.1e}", value=max(found)) if found else Cell(DASH)
