"""The numbers of a source, read strictly: each is a positive number, or the source's mark for none."""

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pandas as pd

from aggregator.base.text import clean
from aggregator.published.source import FRAMEWORK, SOURCES, Source, Value
from aggregator.read.run_folder import CannotReport

NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
SMALLEST, LARGEST = 1e-9, 1e9
"""No published number is outside, and no ratio of two such numbers overflows."""
LARGEST_FILE = 4 * 2**20
MOST_FRAMEWORKS = 8
"""Each framework has columns of its own: more make no table that can be read."""

Setting = tuple[str, ...]
"""The values of a source's settings, in their order."""
Cell = Mapping[str, float | None]
"""The numbers of one framework in one setting by the name of the value; None where the source has its mark."""


@dataclass(frozen=True)
class Numbers:
    """Numbers in the layout of `source`, by setting and framework. `is_stored`: they are the copy in this project."""

    source: Source
    cells: Mapping[Setting, Mapping[str, Cell]]
    is_stored: bool = True

    @cached_property
    def frameworks(self) -> list[str]:
        """In order of first appearance."""
        return list(dict.fromkeys(name for row in self.cells.values() for name in row))

    @cached_property
    def baseline(self) -> str:
        """The framework with which the others are compared: the source's, or the first if that is not there."""
        return self.source.baseline if self.source.baseline in self.frameworks else self.frameworks[0]

    @cached_property
    def parts(self) -> dict[Setting, "Numbers"]:
        """The numbers of each part, by the values of its settings."""
        found: dict[Setting, dict[Setting, Mapping[str, Cell]]] = {}
        for setting, row in self.cells.items():
            found.setdefault(setting[: len(self.source.parts)], {})[setting] = row
        return {part: Numbers(self.source, cells, self.is_stored) for part, cells in found.items()}

    def cell(self, setting: Setting, framework: str) -> Cell | None:
        """A framework's numbers in a setting, or with the settings that it chose by itself."""
        names = self.source.settings
        own = tuple("" if name == self.source.own else text for name, text in zip(names, setting, strict=True))
        return self.cells.get(setting, {}).get(framework) or self.cells.get(own, {}).get(framework)

    def ratio(self, setting: Setting, over: str, under: str, value: Value) -> float | None:
        """How many times as fast `over` is as `under`; None if a number is missing."""
        numbers = [(self.cell(setting, name) or {}).get(value.name) for name in (under, over)]
        if numbers[0] is None or numbers[1] is None:
            return None
        return float((numbers[0] / numbers[1]) ** value.ratio)

    def mean_ratio(self, over: str, under: str, value: Value) -> tuple[float | None, int]:
        """The geometric mean of the ratios over the settings in which both have a number, and how many these are."""
        found = [ratio for setting in self.cells if (ratio := self.ratio(setting, over, under, value)) is not None]
        return (math.exp(math.fsum(map(math.log, found)) / len(found)) if found else None), len(found)


@cache
def stored() -> tuple[Numbers, ...]:
    """The numbers of all sources as this project stores them."""
    return tuple(read(source, source.paths, is_stored=True) for source in SOURCES)


def read(source: Source, paths: Sequence[Path], is_stored: bool = False) -> Numbers:
    """The numbers of all files together. Raises CannotReport, with file, line and reason, at the first wrong cell."""
    cells: dict[Setting, dict[str, Cell]] = {}
    origin: dict[tuple[Setting, str], str] = {}
    for path in paths:
        for where, row in _rows(source, path):
            try:
                setting, framework = _setting(source, row)
                numbers = {value.name: _number(source, value.heading, row[value.heading]) for value in source.values}
            except ValueError as error:
                raise CannotReport(f"{where}: {error}") from error
            earlier = origin.setdefault((setting, framework), where)
            if earlier != where:
                raise CannotReport(f"{where}: a second number for the cell of {earlier}; leave one of them out")
            cells.setdefault(setting, {})[framework] = numbers
        if len({framework for _, framework in origin}) > MOST_FRAMEWORKS:
            raise CannotReport(f"{path}: more than {MOST_FRAMEWORKS} frameworks; leave some out")
    return Numbers(source, cells, is_stored)


def _rows(source: Source, path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row by heading, and where it is."""
    headings = list(dict.fromkeys([column.heading for column in source.columns]))
    headings += [value.heading for value in source.values]
    wanted = source.separator.join(headings)
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "no such file"
            raise CannotReport(f"{path}: {what} (give a CSV with the columns {wanted!r})")
        if path.stat().st_size > LARGEST_FILE:
            raise CannotReport(f"{path}: more than {LARGEST_FILE >> 20} MiB, which no such table is")
        # Without a heading of its own for pandas, a row that is longer than the first is an error, and none is dropped.
        table = pd.read_csv(
            path, sep=source.separator, header=None, dtype=str, na_filter=False, skip_blank_lines=False,
            quoting=csv.QUOTE_NONE, encoding="utf-8-sig",
        )  # fmt: skip
    except OSError as error:
        raise CannotReport(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CannotReport(f"{path}: {clean(str(error), 200)}; save it as CSV in UTF-8") from error
    first, *rows = table.itertuples(index=False, name=None)
    if list(first) != headings:
        raise CannotReport(f"{path}, line 1: the columns are {_quoted(source.separator.join(first))}, not {wanted!r}")
    if not rows:
        raise CannotReport(f"{path}: no row after the column names")
    for line, row in enumerate(rows, 2):
        yield f"{path}, line {line}", dict(zip(headings, row, strict=True))


def _setting(source: Source, row: Mapping[str, str]) -> tuple[Setting, str]:
    """The setting and the framework of a row. Raises ValueError."""
    found: dict[str, str] = {}
    for column in source.columns:
        text = row[column.heading]
        value = column.value(text)
        if value is None:
            raise ValueError(f"{column.heading} {_quoted(text)} is not {column.said}")
        earlier = found.get(column.name) if column.name else None
        if value and earlier and earlier != value:
            raise ValueError(f"{column.heading} {_quoted(text)} contradicts another column")
        found[column.name] = value or earlier or ""
    return tuple(found[name] for name in source.settings), found[FRAMEWORK]


def _number(source: Source, heading: str, text: str) -> float | None:
    if text == source.none:
        return None
    if NUMBER.fullmatch(text) and SMALLEST <= float(text) <= LARGEST:
        return float(text)
    mark = f", and not {source.none!r} for none" if source.none else ""
    raise ValueError(f"{heading} {_quoted(text)} is not a number from {SMALLEST:g} to {LARGEST:g}{mark}")


def _quoted(text: str) -> str:
    return f"'{clean(text, 120)}'"
