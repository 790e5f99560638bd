"""Published step times as a page in Markdown; its columns are padded, so that a terminal shows them as tables."""

from collections.abc import Callable, Sequence

from aggregator.base.quantities import DASH, significant, time_unit
from aggregator.base.text import clean
from aggregator.published.ratios import StepTable, printed, ratio, step_tables
from aggregator.published.step_times import Cells, StepSource, StepTime
from aggregator.report.model import Cell, Table
from aggregator.report.page.markdown import escape

TITLES = {"train": "Training step", "infer": "Inference step"}
RATIOS_ONLY = (
    "A published figure is one run without an interval: it allows ratios, but no verdict. Means are geometric means "
    "over the cells that both frameworks of a pair have."
)


def page(cells: Cells, source: StepSource | None) -> str:
    """All tables, with the source where it is known."""
    lines = ["# Published step times", *(f"- {escape(line)}" for line in (source.remarks() if source else ()))]
    lines += [
        f"- {RATIOS_ONLY}",
        f"- {DASH}: not published ({source.no_figure if source else 'no figure in the file'}).",
    ]
    found = ["\n".join([lines[0], "", *lines[1:]])]
    for table in step_tables(cells):
        found.append(f"## {TITLES[table.workload]} on a {table.device.upper()}")
        found += [f"{escape(one.caption)}\n\n{aligned(one)}" for one in _tables(table)]
    return "\n\n".join(found) + "\n"


def aligned(table: Table) -> str:
    """A pipe table whose columns are as wide as their widest cell."""
    rows = [[escape(name) for name in table.columns], *([escape(cell.text) for cell in row] for row in table.rows)]
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["-" * width for width in widths]
    ruled = [f":{line[1:]}" if index < table.labels else f"{line[1:]}:" for index, line in enumerate(lines)]
    return "\n".join(f"| {' | '.join(_padded(row, widths, table.labels))} |" for row in (rows[0], ruled, *rows[1:]))


def _padded(row: list[str], widths: list[int], labels: int) -> list[str]:
    """Names to the left, numbers to the right."""
    cells = enumerate(zip(row, widths, strict=True))
    return [text.ljust(width) if index < labels else text.rjust(width) for index, (text, width) in cells]


def _tables(table: StepTable) -> list[Table]:
    of = str(len(table.cells))
    means = [(_pair(pair.left, pair.right), printed(pair.ratio), str(pair.cells), of) for pair in table.pairs]
    missing = [(_name(name), str(table.missing(name)), of) for name in table.frameworks]
    found = [
        _table("Ratio of times", ("compared", "geometric mean", "cells both have", "of"), means),
        _table("Cells without a figure", ("framework", "not published", "of"), missing),
        _grid(table),
    ]
    with_memory = any(time.memory_mb is not None for row in table.cells.values() for time in row.values())
    return [*found, _memory(table)] if with_memory else found


def _grid(table: StepTable) -> Table:
    heads = (*map(_name, table.frameworks), *(_pair(pair.left, pair.right) for pair in table.pairs))
    rows = [
        (
            *_times(row, table.frameworks, _seconds),
            *(printed(ratio(row, pair.left, pair.right)) for pair in table.pairs),
        )
        for row in table.cells.values()
    ]
    return _by_setting("Time of a step, and ratios of times", table, heads, rows)


def _memory(table: StepTable) -> Table:
    rows = [_times(row, table.frameworks, _megabytes) for row in table.cells.values()]
    return _by_setting("Memory of the process, MB", table, tuple(map(_name, table.frameworks)), rows)


def _by_setting(caption: str, table: StepTable, heads: tuple[str, ...], values: Sequence[tuple[str, ...]]) -> Table:
    rows = [
        (clean(setting.network, 60), f"{setting.input_size} px", str(setting.batch_size), *row)
        for setting, row in zip(table.cells, values, strict=True)
    ]
    return _table(caption, ("network", "size", "batch", *heads), rows, 3)


def _table(caption: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], labels: int = 1) -> Table:
    return Table(f"{caption}.", columns, tuple(tuple(map(Cell, row)) for row in rows), labels)


def _times(row: dict[str, StepTime], frameworks: list[str], show: Callable[[StepTime], str]) -> tuple[str, ...]:
    return tuple(show(row[name]) if name in row else DASH for name in frameworks)


def _seconds(time: StepTime) -> str:
    if time.seconds is None:
        return DASH
    size, name = time_unit(time.seconds)
    return f"{significant(time.seconds / size, 3)} {name}"


def _megabytes(time: StepTime) -> str:
    return DASH if time.memory_mb is None else f"{time.memory_mb:.0f}"


def _pair(left: str, right: str) -> str:
    return f"{_name(left)} ÷ {_name(right)}"


def _name(framework: str) -> str:
    return clean(framework, 60)
