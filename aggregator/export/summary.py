"""What one side of a case came to, in a few numbers."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from aggregator.base.text import clean
from aggregator.export.names import unique_names
from aggregator.judge.analysis import Environment
from aggregator.judge.metrics import peak_memory
from aggregator.judge.sides import Side
from method.compare import interval_of_mean
from runners.harness.case import Case


@dataclass(frozen=True)
class Place:
    """Where a number belongs: no two have the same; `environment` (from 1) is a machine with a set of versions."""

    run: str
    environment: int
    case: str
    competitor: str


@dataclass(frozen=True)
class Summary:
    """One side with a replicate that ended well.

    `seconds` is the geometric mean over `n` fresh processes of the compared time (a median step, a loader's time a
    batch, a whole training), `low` and `high` the ends of its 95 % interval, None from one. `peak_bytes` is a median.
    """

    place: Place
    case: Case
    framework: str
    n: int
    seconds: float
    low: float | None
    high: float | None
    peak_bytes: float | None


def summaries(environments: Iterable[Environment]) -> Iterator[Summary]:
    """Every side with data, in the plan's order."""
    for number, env in enumerate(environments, 1):
        cases = unique_names((result.case for result in env.cases), lambda case: clean(case.label, 300))
        sides = [side for result in env.cases for side in result.sides]
        names = unique_names(((side.competitor, side.label) for side in sides), lambda pair: clean(pair[1], 300))
        for result in env.cases:
            for side in result.sides:
                if side.ok:
                    name = names[side.competitor, side.label]
                    yield _summary(Place(clean(env.run.name, 300), number, cases[result.case], name), result.case, side)


def _summary(place: Place, case: Case, side: Side) -> Summary:
    logs = list(side.logs.values())
    ends = interval_of_mean(logs)
    low, high = (math.exp(ends[0]), math.exp(ends[1])) if ends else (None, None)
    peaks = side.values(peak_memory)
    peak = float(np.median(peaks)) if peaks else None
    seconds = math.exp(math.fsum(logs) / len(logs))
    return Summary(place, case, side.competitor.framework, len(logs), seconds, low, high, peak)
