"""Published numbers as tables in the shape of their source, and the ratios between its frameworks."""

from collections.abc import Sequence
from itertools import combinations

from aggregator.base.quantities import DASH, significant, time_unit
from aggregator.base.text import clean
from aggregator.published.numbers import Numbers, Setting
from aggregator.published.source import COLUMNS, Value, shown
from aggregator.report.model import Cell, Table


def tables(numbers: Numbers) -> list[Table]:
    """The mean ratios of a part, then its numbers."""
    return [_means(numbers), _grid(numbers)]


def part_title(part: Setting, names: Sequence[str]) -> str:
    """The part of a source in words: `Training step, GPU`; empty where the source has only one."""
    words = ", ".join(shown(name, value) for name, value in zip(names, part, strict=True))
    return words[:1].upper() + words[1:]


def printed_ratio(value: float | None) -> str:
    """Two decimals, or two digits of a small ratio: without an interval, more may mean nothing."""
    return DASH if value is None else significant(value, 3 if value >= 1 else 2)


def setting_texts(numbers: Numbers, setting: Setting, names: Sequence[str]) -> list[str]:
    """These axes of a setting as a table has them."""
    values = dict(zip(numbers.source.settings, setting, strict=True))
    return [shown(name, values[name]) for name in names]


def heads(names: Sequence[str]) -> list[str]:
    """The headings of the columns of these axes."""
    return [COLUMNS.get(name, name) for name in names]


def _means(numbers: Numbers) -> Table:
    compared = [value for value in numbers.source.values if value.ratio]
    others = [name for name in numbers.frameworks if name != numbers.baseline]
    pairs = [(name, numbers.baseline) for name in others]
    pairs += [(later, earlier) for earlier, later in combinations(others, 2)]
    rows = []
    for over, under in pairs:
        means = [numbers.mean_ratio(over, under, value) for value in compared]
        cells = [Cell(text) for mean, count in means for text in (printed_ratio(mean), str(count))]
        rows.append((Cell(f"{clean(over, 60)} vs {clean(under, 60)}"), *cells, Cell(str(len(numbers.cells)))))
    spans = [(_named(value), 2) for value in compared] if len(compared) > 1 else []
    return Table(
        "How many times as fast the first framework is as the second: geometric means over the cells that both have.",
        ("compared", *("times as fast", "cells both have") * len(compared), "of"),
        tuple(rows),
        groups=(("", 1), *spans, ("", 1)) if spans else (),
    )


def _grid(numbers: Numbers) -> Table:
    """A row for each setting: the numbers of each framework, and how many times as fast as the baseline it is."""
    source = numbers.source
    others = [name for name in numbers.frameworks if name != numbers.baseline]
    filled = [value for value in source.values if any(_has(numbers, name, value) for name in numbers.frameworks)]
    groups: list[tuple[str, int]] = [("", len(source.rows))]
    columns = heads(source.rows)
    for value in filled:
        groups.append((_named(value), len(numbers.frameworks)))
        columns += [clean(name, 60) for name in numbers.frameworks]
        if value.ratio and others:
            what = f"{value.name}: " if len([other for other in filled if other.ratio]) > 1 else ""
            groups.append((f"{what}times as fast as {clean(numbers.baseline, 60)}", len(others)))
            columns += [clean(name, 60) for name in others]
    rows = []
    for setting, row in numbers.cells.items():
        cells = [Cell(text) for text in setting_texts(numbers, setting, source.rows)]
        for value in filled:
            cells += [_number(row[name].get(value.name) if name in row else None, value) for name in numbers.frameworks]
            if value.ratio:
                ratios = [numbers.ratio(setting, name, numbers.baseline, value) for name in others]
                cells += [Cell(printed_ratio(ratio), value=ratio) for ratio in ratios]
        rows.append(tuple(cells))
    caption = f"The published numbers, one run each{_missing(numbers)}."
    return Table(caption, tuple(columns), tuple(rows), len(source.rows), groups=tuple(groups))


def _missing(numbers: Numbers) -> str:
    """How many cells have no number, and why."""
    first, cells = numbers.source.values[0], len(numbers.cells)
    gone = [
        f"{clean(name, 60)} {count} of {cells}"
        for name in numbers.frameworks
        if (count := sum((numbers.cell(setting, name) or {}).get(first.name) is None for setting in numbers.cells))
    ]
    if not gone or numbers.source.own:
        return ""
    why = f" ({numbers.source.no_number})" if numbers.is_stored and numbers.source.no_number else ""
    return f"; {DASH} means that there is no number{why}: {', '.join(gone)}"


def _has(numbers: Numbers, framework: str, value: Value) -> bool:
    return any(framework in row and row[framework].get(value.name) is not None for row in numbers.cells.values())


def _named(value: Value) -> str:
    return f"{value.name}, {value.unit}" if value.unit == "MB" else value.name


def _number(number: float | None, value: Value) -> Cell:
    if number is None:
        return Cell(DASH)
    size, unit = time_unit(number) if value.unit == "s" else (1.0, "")
    whole = number.is_integer() or number / size >= 100
    digits = f"{number / size:.0f}" if whole else significant(number / size, 3)
    return Cell(f"{digits} {unit}".rstrip(), value=number)
