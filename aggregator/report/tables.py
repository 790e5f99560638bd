"""The two shapes of tables: a row for each case with a column for each competitor, and a row for each competitor."""

from collections.abc import Callable, Collection, Sequence

from aggregator.base.case_names import digest
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.metrics import Metric
from aggregator.judge.sides import Side
from aggregator.report.cells import by_column, columns, range_cell
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Cell, Table
from aggregator.report.settings import Columns, setting_cells, setting_columns

Row = tuple[CaseResult, Side]
Column = tuple[str, Callable[[CaseResult, Side], Cell]]
"""A heading, and the cell of one competitor in one case."""
COUNT: Column = ("n", lambda _, side: Cell(str(len(side.ok))))


def by_competitor(
    cases: Sequence[CaseResult],
    always: Collection[str],
    show: Callable[[Side, Footnotes], Cell],
    caption: str,
    title: str = "",
) -> Table:
    """A row for each case, with the cell that `show` makes of each competitor. `always` are axes with a column."""
    notes, labels, named = Footnotes(), columns(cases), setting_columns([result.case for result in cases], always)
    rows = [(*setting_cells(named, result.case), *by_column(result, labels, notes, show)) for result in cases]
    heads = (*named, *(clean(label, 60) for label in labels))
    digests = tuple(digest(result.case) for result in cases)
    return Table(caption, heads, tuple(rows), len(named), notes.texts, title, cases=digests)


def by_side(
    rows: Sequence[Row], named: Columns, shown: Sequence[Column], caption: str, title: str, notes: Footnotes
) -> Table:
    """A row for each competitor in each case: the columns `named` say which case it is, `shown` what was measured."""
    # Row by row, not column by column: a side's records lie together in memory.
    cells = tuple(
        (*setting_cells(named, result.case), Cell(side.name), *(show(result, side) for _, show in shown))
        for result, side in rows
    )
    heads = (*named, "competitor", *(head for head, _ in shown))
    digests = tuple(digest(result.case) for result, _ in rows)
    return Table(caption, heads, cells, len(named) + 1, notes.texts, title, cases=digests)


def spread(head: str, read: Metric, show: Callable[[Sequence[float]], str]) -> Column:
    """A column of medians with their ranges."""
    return head, lambda _, side: range_cell(side, read, show)
