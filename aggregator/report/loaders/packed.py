"""Packed against loose files: each loader that reads shards, beside the loader that decodes alike from files."""

from collections.abc import Sequence
from dataclasses import replace

from aggregator.base.case_names import digest, group, parameters
from aggregator.base.quantities import DASH, count, duration_range, ratio_of, size
from aggregator.base.text import clean
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult, Comparison
from aggregator.judge.sides import Side
from aggregator.report.across_cases import shortened
from aggregator.report.cells import range_cell, rate_cell
from aggregator.report.model import Cell, Table
from aggregator.report.tables import setting_cells, setting_columns
from runners.harness.record import Record

LOOSE = "loose_loader"
"""The setting in which a loader of packed images names the loader of the same framework that reads loose files."""
TITLE = "Data loading: packed against loose files"


def packed_against_loose(cases: Sequence[CaseResult], always: Sequence[str]) -> Table | None:
    """A row for each packed loader whose counterpart was measured in the same case and variant."""
    found = [(result, side, other) for result in cases for side in result.sides if (other := _loose(result, side))]
    if not found:
        return None
    named = setting_columns([result for result, _, _ in found], always)
    rows, lines = [], []
    for result, packed, loose in found:
        compared = result.between(packed, loose)
        ratio, interval = ("", "") if compared.incomparable else ratio_of(compared.paired)
        blocks = count(compared.paired.n, "block") if compared.paired else ""
        rows.append(
            (
                *setting_cells(named, result.case),
                Cell(packed.name),
                Cell(loose.name),
                rate_cell(packed),
                rate_cell(loose),
                Cell(f"{ratio}×" if ratio else DASH, ", ".join(filter(None, (interval, blocks)))),
                range_cell(packed, metrics.cpu_time, duration_range),
                range_cell(loose, metrics.cpu_time, duration_range),
                Cell(_one(packed, "shards")),
                Cell(_size(packed)),
                Cell(_seconds(packed)),
            )
        )
        lines.append(_sentence(result, compared, ratio, interval, blocks))
    return Table(
        caption=(
            "The same images, as the same bytes, in shards and as single files, for loaders that decode alike. The "
            "ratio says how many times as many images per second come from shards, with its 95 % interval over blocks. "
            "The verdict on a case is about its fastest loaders, whichever they are. CPU time is per image: medians "
            "(lowest–highest) over n replicates. All files are in the page cache; a disk that is slow with many small "
            "files shows in the epoch with a cold page cache. Packing happens once in a run, before anything is timed."
        ),
        columns=(
            *named,
            *("packed", "loose", "packed, rate", "loose, rate", "packed ÷ loose"),
            *("packed, CPU time", "loose, CPU time", "shards", "size of the shards", "packing"),
        ),
        rows=tuple(rows),
        labels=len(named) + 2,
        title=TITLE,
        lines=shortened(lines),
        cases=tuple(digest(result.case) for result, _, _ in found),
    )


def _loose(result: CaseResult, side: Side) -> Side | None:
    """The side with the loader that this side's records name and with the same variant, if it was measured."""
    names = {metrics.setting(record, LOOSE) for record in side.ok.values()} - {"", side.competitor.loader}
    wanted = [replace(side.competitor, loader=name) for name in names]
    return next((other for other in result.sides if other.ok and other.competitor in wanted), None)


def _sentence(result: CaseResult, compared: Comparison, ratio: str, interval: str, blocks: str) -> str:
    """`batch, workers 2: PyTorch (WebDataset, tuned) is 1.03 times as fast as PyTorch (DataLoader, tuned) …`."""
    case = ", ".join(filter(None, (group(result.case), parameters(result.case))))
    sides = compared.left.name, compared.right.name
    if not ratio:
        why = "nothing shows that both do the same work" if compared.incomparable else "too few blocks"
        return f"{case}: no ratio of {sides[0]} and {sides[1]}, {why}."
    said = ", ".join(filter(None, (interval, blocks)))
    return f"{case}: {sides[0]} is {ratio} times as fast as {sides[1]} ({said})."


def _one(side: Side, name: str) -> str:
    return ", ".join(sorted({metrics.setting(record, name) for record in side.ok.values()} - {""})) or DASH


def _number(record: Record, name: str) -> float | None:
    text = metrics.setting(record, name)
    return float(text) if text.replace(".", "", 1).isdecimal() and text.isascii() else None


def _numbers(side: Side, name: str) -> list[float]:
    return side.values(lambda record: _number(record, name))


def _size(side: Side) -> str:
    found = _numbers(side, "packed_bytes")
    return clean(size(int(max(found))), 20) if found else DASH


def _seconds(side: Side) -> str:
    found = _numbers(side, "packed_seconds")
    return duration_range(found) if found else DASH
