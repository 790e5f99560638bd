"""Estimates how long replicates take: from earlier runs, else from the arithmetic of the case and assumed rates."""

import contextlib
import functools
import json
import math
import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from launcher.plan.cases import pilot_competitors
from method.statistic import STEP_WORKLOADS
from runners.harness.case import Case, Competitor
from runners.harness.files import read_regular
from runners.harness.run import PILOTS, PlannedCase
from runners.harness.sampling import Sampling
from runners.reference.cost import step_cost
from runners.reference.layers import CLASSES

TIMINGS_NAME = "timings.jsonl"
TIMINGS_BYTES = 64 * 2**20
"""The most bytes of a run's list; each replicate adds some 150."""

Bounds = tuple[float, float]
"""The shortest and the longest time that is likely."""

START_SECONDS = (3.0, 12.0)
"""A framework starts, compiles and shows its evidence; a small step adds no more than that to its least time."""
LOAD_SECONDS, OTHER_SECONDS = (10.0, 30.0), (4.0, 12.0)
"""Seconds of a replicate whose arithmetic cannot be counted, on two cores."""
STEP_RATES = {"cpu": (40e9, 400e9), "gpu": (0.2e12, 5e12)}
"""Operations a second in steps: nine tenths of the steps published in 2021, on a Core i7-9750H and an RTX 2060."""
FIT_RATES = {"cpu": (40e9, 75e9), "gpu": (0.13e12, 0.8e12)}
"""Operations a second in a training of cnn4: all published in 2025, on a Core Ultra 7 155H and a Tesla T4."""
UNPREPARED_IMAGES = {"cifar100": 50_000, "synthetic-labelled": 2_000}
"""Training images of data sets that the launcher prepares, for the time before there is a manifest."""


class Durations:
    """Seconds that replicates took. The estimate is their median, so that one slow start matters little."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._alike: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, name: str, workload: str, competitor: str, seconds: float) -> None:
        """Take in one replicate; `name` is the case's label."""
        self._exact[name, competitor].append(seconds)
        self._alike[workload, competitor].append(seconds)

    def bounds(self, case: Case, competitor: Competitor) -> Bounds:
        """The estimate for one replicate: from the same case, else from the same workload, else a guess.

        A case whose arithmetic can be counted is never estimated from another: networks, batches and epochs differ.
        """
        measured = self._exact.get((case.label, competitor.label))
        if not measured and _operations(case) is None:
            measured = self._alike.get((case.workload, competitor.label))
        if not measured:
            return guess(case)
        median = statistics.median(measured)
        return median, median

    def seconds(self, case: Case, competitor: Competitor) -> float:
        """The estimate as one number, where one is needed: between the bounds, as far from each by ratio."""
        return math.sqrt(math.prod(self.bounds(case, competitor)))

    def knows(self, case: Case, competitor: Competitor) -> bool:
        """Whether this very case and competitor was measured before."""
        return (case.label, competitor.label) in self._exact


def guess(case: Case) -> Bounds:
    """An estimate without any measurement."""
    operations = _operations(case)
    if operations is None:
        return LOAD_SECONDS if case.workload == "load" else OTHER_SECONDS
    slow, fast = (FIT_RATES if case.epochs else STEP_RATES)[case.device]
    return START_SECONDS[0] + _measuring(case, operations / fast), START_SECONDS[1] + _measuring(
        case, operations / slow
    )


def assumed(case: Case) -> str:
    """What a guess about the case rests on, in words."""
    if _operations(case) is None:
        return "rough constants"
    slow, fast = (FIT_RATES if case.epochs else STEP_RATES)[case.device]
    what = "trainings published in 2025" if case.epochs else "steps published in 2021"
    return f"an assumed {slow / 1e9:g} to {fast / 1e9:g} GFLOP/s ({what})"


@functools.cache
def _operations(case: Case) -> float | None:
    """The arithmetic of a step or, where the case has epochs, of a training; None where it cannot be counted."""
    if case.network is None or case.network not in CLASSES or case.input_size is None:
        return None
    if case.workload in STEP_WORKLOADS:
        return step_cost(case.workload, case.network, case.input_size, case.images_a_step, case.precision).flops
    if not case.epochs or case.dataset is None:
        return None
    images = case.dataset.items or UNPREPARED_IMAGES.get(case.dataset.id, 0)
    return case.epochs * images * step_cost("train", case.network, case.input_size, 1, case.precision).flops


def _measuring(case: Case, seconds: float) -> float:
    """The time to measure so long a step, or so long a training."""
    usual = Sampling()
    if case.epochs:
        return seconds
    return usual.warmup_steps * seconds + max(usual.min_steps * seconds, usual.min_seconds)


def earlier(results: Path) -> Durations:
    """The durations in earlier runs under `results`. Damaged lines are passed over: this is only an estimate."""
    durations = Durations()
    for path in sorted(results.glob(f"*/{TIMINGS_NAME}")):
        for line in _lines(path):
            try:
                entry = json.loads(line)
                if entry.get("ok") is False:
                    continue
                durations.add(
                    str(entry["case"]), str(entry["workload"]), str(entry["competitor"]), float(entry["seconds"])
                )
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    return durations


def spent(folder: Path) -> float:
    """Seconds that all replicates of the run in `folder` took so far, its pilots and its failures included."""
    total = 0.0
    for path in (folder / TIMINGS_NAME, folder / PILOTS / TIMINGS_NAME):
        for line in _lines(path):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                total += float(json.loads(line)["seconds"])
    return total


def note(folder: Path, case: Case, competitor: Competitor, seconds: float, ok: bool) -> None:
    """Add one replicate's duration to the run's list."""
    entry = {
        "case": case.label,
        "workload": case.workload,
        "competitor": competitor.label,
        "seconds": round(seconds, 3),
        "ok": ok,
    }
    with open(folder / TIMINGS_NAME, "a", encoding="ascii", opener=_without_waiting) as file:
        file.write(json.dumps(entry) + "\n")


def _without_waiting(path: str, flags: int) -> int:
    """A pipe without a reader is an error, and not a reason to wait."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW, 0o644)


def expected_bounds(cases: Sequence[PlannedCase], durations: Durations, pilots: int) -> Bounds:
    """The estimate for all pilots and planned replicates, without the blocks that an adaptive run may add."""
    low = high = 0.0
    for planned in cases:
        least, most = _block(planned.case, planned.competitors, durations)
        low, high = low + planned.blocks * least, high + planned.blocks * most
        if pilots and planned.case.workload in STEP_WORKLOADS:
            least, most = _block(planned.case, pilot_competitors(planned.competitors), durations)
            low, high = low + pilots * least, high + pilots * most
    return low, high


def _block(case: Case, competitors: Sequence[Competitor], durations: Durations) -> Bounds:
    """The estimate for one replicate of each competitor."""
    found = [durations.bounds(case, one) for one in competitors]
    return sum(low for low, _ in found), sum(high for _, high in found)


def expected_seconds(cases: Sequence[PlannedCase], durations: Durations, pilots: int) -> float:
    """The same as one number."""
    return math.sqrt(math.prod(expected_bounds(cases, durations, pilots)))


def replicates(cases: Sequence[PlannedCase], pilots: int = 0, most_blocks: int = 0) -> int:
    """How many processes the plan starts, pilots included, if every case gets at least `most_blocks`."""
    return sum(len(case.competitors) * (max(case.blocks, most_blocks) + pilots) for case in cases)


def _lines(path: Path) -> Iterable[str]:
    try:
        return read_regular(path, TIMINGS_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
