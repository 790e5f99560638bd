"""The table that the formats of results share: a row for each competitor in each case, in a few numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aggregator.base.text import clean
from aggregator.export.names import case_names, unique_names
from aggregator.judge.analysis import Environment
from aggregator.judge.means import Mean, geometric_mean
from aggregator.judge.metrics import peak_memory
from aggregator.judge.sides import Side
from runners.harness.case import Case
from runners.harness.files import write_atomically

Place = tuple[str, int, str, str]
"""Run, environment (from 1: a machine with a set of versions), case, competitor. No two results have the same."""


@dataclass(frozen=True)
class Result:
    """One side with a replicate that ended well.

    `seconds` is the geometric mean over n fresh processes of the compared time (a median step, the time per batch of a
    loader, a whole training). `peak_bytes` is a median.
    """

    place: Place
    case: Case
    framework: str
    seconds: Mean
    peak_bytes: float | None


def results(environments: Iterable[Environment]) -> Iterator[Result]:
    """Every side with data, in the plan's order."""
    for number, env in enumerate(environments, 1):
        cases = case_names(env.cases)
        sides = [side for result in env.cases for side in result.sides]
        names = unique_names(((side.competitor, side.label) for side in sides), lambda pair: clean(pair[1], 300))
        for result in env.cases:
            for side in (side for side in result.sides if side.ok):
                name = names[side.competitor, side.label]
                yield _result((clean(env.run.name, 300), number, cases[result.case], name), result.case, side)


def _result(place: Place, case: Case, side: Side) -> Result:
    peaks = side.values(peak_memory)
    peak = float(np.median(peaks)) if peaks else None
    return Result(place, case, side.competitor.framework, geometric_mean(list(side.logs.values())), peak)


def write_file(folder: Path, name: str, content: bytes) -> list[Path]:
    """Write the only file of a format. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / name, content)
    return [folder / name]
