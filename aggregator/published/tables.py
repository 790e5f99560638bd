"""Published numbers as tables in the shape of their source, and the ratios between its frameworks."""

import math
from collections.abc import Sequence
from itertools import combinations, groupby
from typing import NamedTuple

import numpy as np

from aggregator.base.quantities import DASH, significant, time_unit
from aggregator.base.text import clean
from aggregator.published.numbers import Numbers
from aggregator.published.source import Value, column, shown
from aggregator.report.model import Cell, Table


class Column(NamedTuple):
    """A column of a table; neighbours of one `group` have its name above them."""

    group: str
    heading: str
    cells: Sequence[Cell]


def table_of(caption: str, columns: Sequence[Column], labels: int, cases: tuple[str, ...] = ()) -> Table:
    """The table of these columns, of which the first `labels` name the row."""
    groups = tuple((group, len(list(members))) for group, members in groupby(column.group for column in columns))
    heads, rows = tuple(column.heading for column in columns), zip(*(column.cells for column in columns), strict=True)
    return Table(caption, heads, tuple(rows), labels, groups=groups if len(groups) > 1 else (), cases=cases)


def tables(numbers: Numbers) -> list[Table]:
    """The mean ratios of a part, then its numbers."""
    return [_means(numbers), _grid(numbers)]


def ratio_cell(value: float) -> Cell:
    """Two decimals, or two digits of a small ratio: without an interval, more may mean nothing."""
    if math.isnan(value):
        return Cell(DASH)
    return Cell(significant(value, 3 if value >= 1 else 2), value=value)


def _means(numbers: Numbers) -> Table:
    compared = [value for value in numbers.source.values if value.ratio]
    others = _others(numbers)
    pairs = [(name, numbers.baseline) for name in others]
    pairs += [(later, earlier) for earlier, later in combinations(others, 2)]
    columns = [Column("", "compared", [Cell(f"{clean(over, 60)} vs {clean(under, 60)}") for over, under in pairs])]
    for value in compared:
        group = _named(value) if len(compared) > 1 else ""
        ratios = [numbers.ratios(over, under, value).dropna() for over, under in pairs]
        means = [ratio_cell(float(np.exp(np.log(found).mean()))) for found in ratios]
        columns.append(Column(group, "times as fast", means))
        columns.append(Column(group, "cells both have", [Cell(str(len(found))) for found in ratios]))
    columns.append(Column("", "of", [Cell(str(len(numbers.table)))] * len(pairs)))
    caption = (
        "How many times as fast the first framework is as the second: geometric means over the cells that both have."
    )
    return table_of(caption, columns, 1)


def _grid(numbers: Numbers) -> Table:
    """A row for each setting: the numbers of each framework, and how many times as fast as the baseline it is."""
    source, table, others = numbers.source, numbers.table, _others(numbers)
    columns = [
        Column("", column(name), [Cell(shown(name, text)) for text in table.index.get_level_values(name)])
        for name in source.rows
    ]
    filled = [value for value in source.values if table[[value.name]].notna().to_numpy().any()]
    for value in filled:
        for name in numbers.frameworks:
            cells = [_number_cell(number, value) for number in table[value.name, name]]
            columns.append(Column(_named(value), clean(name, 60), cells))
        what = f"{value.name}: " if sum(bool(one.ratio) for one in filled) > 1 else ""
        for name in others if value.ratio else ():
            cells = [ratio_cell(ratio) for ratio in numbers.ratios(name, numbers.baseline, value)]
            columns.append(Column(f"{what}times as fast as {clean(numbers.baseline, 60)}", clean(name, 60), cells))
    return table_of(f"The published numbers, one run each{_missing(numbers)}.", columns, len(source.rows))


def _others(numbers: Numbers) -> list[str]:
    return [name for name in numbers.frameworks if name != numbers.baseline]


def _missing(numbers: Numbers) -> str:
    """How many cells have no number, and why."""
    source, table = numbers.source, numbers.table
    missing = {name: int(table[source.values[0].name, name].isna().sum()) for name in numbers.frameworks}
    gone = [f"{clean(name, 60)} {count} of {len(table)}" for name, count in missing.items() if count]
    if not gone or source.own:
        return ""
    why = f" ({source.no_number})" if numbers.is_stored and source.no_number else ""
    return f"; {DASH} means that there is no number{why}: {', '.join(gone)}"


def _named(value: Value) -> str:
    return f"{value.name}, {value.unit}" if value.unit == "MB" else value.name


def _number_cell(number: float, value: Value) -> Cell:
    if math.isnan(number):
        return Cell(DASH)
    size, unit = time_unit(number) if value.unit == "s" else (1.0, "")
    whole = number.is_integer() or number / size >= 100
    digits = f"{number / size:.0f}" if whole else significant(number / size, 3)
    return Cell(f"{digits} {unit}".rstrip(), value=number)
