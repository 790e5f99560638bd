"""The numbers of a source, read strictly: each is a positive number, or the source's mark for none."""

import csv
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


@dataclass(frozen=True, eq=False)
class Numbers:
    """Numbers in the layout of `source`. `is_stored`: they are the copy in this project.

    `rows` has a row for each setting and framework: the settings, FRAMEWORK, and the values, NaN for the mark for none.
    """

    source: Source
    rows: pd.DataFrame
    is_stored: bool = True

    @cached_property
    def frameworks(self) -> list[str]:
        """In order of first appearance."""
        return list(self.rows[FRAMEWORK].unique())

    @cached_property
    def baseline(self) -> str:
        """The framework with which the others are compared: the source's, or the first if that is not there."""
        return self.source.baseline if self.source.baseline in self.frameworks else self.frameworks[0]

    @cached_property
    def parts(self) -> dict[Setting, "Numbers"]:
        """The numbers of each part, by the values of its settings."""
        if not self.source.parts:
            return {(): self}
        groups = self.rows.groupby(list(self.source.parts), sort=False)
        return {tuple(map(str, part)): Numbers(self.source, rows, self.is_stored) for part, rows in groups}

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each setting and, for each value, a column for each framework; NaN where there is no number."""
        settings, values = list(self.source.settings), [value.name for value in self.source.values]
        index = pd.MultiIndex.from_frame(self.rows[settings].drop_duplicates())
        columns = pd.MultiIndex.from_product([values, self.frameworks])
        return self.rows.pivot(index=settings, columns=FRAMEWORK, values=values).reindex(index=index, columns=columns)

    @property
    def settings(self) -> list[Setting]:
        """In order of first appearance."""
        return self.table.index.to_list()

    @cached_property
    def compared(self) -> pd.DataFrame:
        """The same; where a framework chose a setting by itself, its numbers stand beside every value of it."""
        own = self.source.own
        if not own:
            return self.table
        chosen = self.table[self.table.index.get_level_values(own) == ""]
        beside = chosen.droplevel(own).reindex(self.table.reset_index(own).index).set_axis(self.table.index)
        return self.table.fillna(beside)

    def ratios(self, over: str, under: str, value: Value) -> "pd.Series[float]":
        """How many times as fast `over` is as `under` in each setting; NaN where a number is missing."""
        return (self.compared[value.name, under] / self.compared[value.name, over]) ** value.ratio


@cache
def stored() -> tuple[Numbers, ...]:
    """The numbers of all sources as this project stores them."""
    return tuple(read(source, source.paths, is_stored=True) for source in SOURCES)


def read(source: Source, paths: Sequence[Path], is_stored: bool = False) -> Numbers:
    """The numbers of all files together. Raises CannotReport, with file, line and reason, at the first wrong cell."""
    rows = []
    origin: dict[tuple[Setting, str], str] = {}
    for path in paths:
        for where, row in _rows(source, path):
            try:
                setting, framework = _setting(source, row)
                numbers = [_number(source, value.heading, row[value.heading]) for value in source.values]
            except ValueError as error:
                raise CannotReport(f"{where}: {error}") from error
            earlier = origin.setdefault((setting, framework), where)
            if earlier != where:
                raise CannotReport(f"{where}: a second number for the cell of {earlier}; leave one of them out")
            rows.append((*setting, framework, *numbers))
        if len({framework for _, framework in origin}) > MOST_FRAMEWORKS:
            raise CannotReport(f"{path}: more than {MOST_FRAMEWORKS} frameworks; leave some out")
    columns = [*source.settings, FRAMEWORK, *(value.name for value in source.values)]
    return Numbers(source, pd.DataFrame(rows, columns=columns), is_stored)


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


def _number(source: Source, heading: str, text: str) -> float:
    if text == source.none:
        return float("nan")
    if NUMBER.fullmatch(text) and SMALLEST <= float(text) <= LARGEST:
        return float(text)
    mark = f", and not {source.none!r} for none" if source.none else ""
    raise ValueError(f"{heading} {_quoted(text)} is not a number from {SMALLEST:g} to {LARGEST:g}{mark}")


def _quoted(text: str) -> str:
    return f"'{clean(text, 120)}'"
