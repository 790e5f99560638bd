"""The two shapes of tables: a row for each case with columns for each competitor, and a row for each competitor."""

from collections.abc import Callable, Collection, Mapping, Sequence

from aggregator.base.case_names import digest
from aggregator.base.quantities import DASH
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.metrics import Metric
from aggregator.judge.sides import Side
from aggregator.report.cells import range_cell
from aggregator.report.model import Cell, Table
from runners.harness.axes import Axis
from runners.harness.case import AXES, Case

Row = tuple[CaseResult, Side]
Settings = Mapping[str, Callable[[Case], Cell]]
"""The columns that name the case of a row, by heading."""
Column = tuple[str, Callable[[CaseResult, Side], Cell]]
"""A heading, and the cell of one competitor in one case."""
COUNT: Column = ("n", lambda _, side: Cell(str(len(side.ok))))


def setting_columns(results: Sequence[CaseResult], always: Collection[str], without: Collection[str] = ()) -> Settings:
    """The axes in `always`, and each other axis in which these cases differ."""
    cases = [result.case for result in results]
    shown = [
        axis
        for axis in AXES
        if axis.name not in without and (axis.name in always or len({getattr(case, axis.name) for case in cases}) > 1)
    ]
    columns: dict[str, Callable[[Case], Cell]] = {axis.column: _cell(axis) for axis in shown}
    if len({case.dataset for case in cases}) > 1:
        columns["data"] = lambda case: Cell(clean(case.dataset.id, 40) if case.dataset else DASH)
    return columns


def setting_cells(columns: Settings, case: Case) -> list[Cell]:
    """A case's cells of these columns."""
    return [show(case) for show in columns.values()]


def _cell(axis: Axis) -> Callable[[Case], Cell]:
    def cell(case: Case) -> Cell:
        value = getattr(case, axis.name)
        return Cell(DASH if value is None else clean(axis.shown(value), 60))

    return cell


def by_competitor(
    cases: Sequence[CaseResult],
    settings: Settings,
    shown: Sequence[Column],
    caption: str,
    title: str = "",
    last: Sequence[tuple[str, Callable[[CaseResult], Cell]]] = (),
) -> Table:
    """A row for each case, with the columns `shown` for each competitor; `last` are columns about the whole case."""
    names = {side.label: side.name for result in cases for side in result.sides}
    rows = []
    for result in cases:
        sides = {side.label: side for side in result.sides}
        cells = [show(result, sides[one]) if one in sides else Cell(DASH) for one in names for _, show in shown]
        rows.append((*setting_cells(settings, result.case), *cells, *(show(result) for _, show in last)))
    groups = [("", len(settings)), *((name, len(shown)) for name in names.values()), *(("", 1) for _ in last)]
    several = len(shown) > 1
    heads = [head for head, _ in shown] * len(names) if several else names.values()
    return Table(
        caption,
        (*settings, *heads, *(head for head, _ in last)),
        tuple(rows),
        len(settings),
        title,
        tuple(groups) if several else (),
        tuple(digest(result.case) for result in cases),
    )


def by_side(rows: Sequence[Row], settings: Settings, shown: Sequence[Column], caption: str, title: str = "") -> Table:
    """A row for each competitor in each case, with the columns `shown`."""
    # Row by row, not column by column: a side's records lie together in memory.
    cells = tuple(
        (*setting_cells(settings, result.case), Cell(side.name), *(show(result, side) for _, show in shown))
        for result, side in rows
    )
    heads = (*settings, "competitor", *(head for head, _ in shown))
    return Table(
        caption, heads, cells, len(settings) + 1, title, cases=tuple(digest(result.case) for result, _ in rows)
    )


def spread(head: str, read: Metric, show: Callable[[Sequence[float]], str]) -> Column:
    """A column of medians with their ranges."""
    return head, lambda _, side: range_cell(side, read, show)
