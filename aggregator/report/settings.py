"""The columns that name the case of a row: the axes that a table always has, and every axis that differs."""

from collections.abc import Callable, Collection, Mapping, Sequence

from aggregator.base.quantities import DASH
from aggregator.base.text import clean
from aggregator.report.model import Cell
from runners.harness.axes import Axis
from runners.harness.case import AXES, Case

Columns = Mapping[str, Callable[[Case], Cell]]


def setting_columns(cases: Sequence[Case], always: Collection[str], without: Collection[str] = ()) -> Columns:
    """By heading, the cell of each axis in `always`, and of each other axis in which these cases differ."""
    shown = [
        axis
        for axis in AXES
        if axis.name not in without and (axis.name in always or len({getattr(case, axis.name) for case in cases}) > 1)
    ]
    columns: dict[str, Callable[[Case], Cell]] = {axis.column: _cell(axis) for axis in shown}
    if len({case.dataset for case in cases}) > 1:
        columns["data"] = lambda case: Cell(clean(case.dataset.id, 40) if case.dataset else DASH)
    return columns


def setting_cells(columns: Columns, case: Case) -> list[Cell]:
    """A case's cells of these columns."""
    return [show(case) for show in columns.values()]


def _cell(axis: Axis) -> Callable[[Case], Cell]:
    def cell(case: Case) -> Cell:
        value = getattr(case, axis.name)
        return Cell(DASH if value is None else clean(axis.shown(value), 60))

    return cell
