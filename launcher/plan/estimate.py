"""Estimates how long replicates take: from earlier runs, else from rough constants."""

import contextlib
import json
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

TIMINGS_NAME = "timings.jsonl"
TIMINGS_BYTES = 64 * 2**20
"""The most bytes of a run's list; each replicate adds some 150."""

USUAL_SECONDS = {"train": 9.0, "infer": 8.0, "roof": 8.0, "load": 15.0}
OTHER_SECONDS = 6.0
"""Seconds of a replicate of a small case on two cores. A deep network takes two to four times as long."""
TRAINED_PER_SECOND = {"cpu": 600.0, "gpu": 5000.0}
"""Images of 32 px that cnn4 trains on in a second. The trainings published in 2025 came to 700 and 6,000."""
TRAINED_SIZE = 32
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

    def seconds(self, case: Case, competitor: Competitor) -> float:
        """The estimate for one replicate: from the same case, else from the same workload, else a guess.

        A training is never estimated from another training: epochs and images differ too much.
        """
        measured = self._exact.get((case.label, competitor.label))
        if not measured and case.epochs is None:
            measured = self._alike.get((case.workload, competitor.label))
        return statistics.median(measured) if measured else guess(case)

    def knows(self, case: Case, competitor: Competitor) -> bool:
        """Whether this very case and competitor was measured before."""
        return (case.label, competitor.label) in self._exact


def guess(case: Case) -> float:
    """A rough estimate without any measurement: for a training, from its epochs, images and device."""
    if case.epochs is None or case.dataset is None:
        return USUAL_SECONDS.get(case.workload, OTHER_SECONDS)
    images = case.dataset.items or UNPREPARED_IMAGES.get(case.dataset.id, 0)
    pixels = ((case.input_size or TRAINED_SIZE) / TRAINED_SIZE) ** 2
    return OTHER_SECONDS + case.epochs * images * pixels / TRAINED_PER_SECOND[case.device]


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


def expected_seconds(cases: Sequence[PlannedCase], durations: Durations, pilots: int) -> float:
    """The estimate for all pilots and planned replicates, without the blocks that an adaptive run may add."""
    total = 0.0
    for case in cases:
        total += case.blocks * sum(durations.seconds(case.case, one) for one in case.competitors)
        if case.case.workload in STEP_WORKLOADS:
            total += pilots * sum(durations.seconds(case.case, one) for one in pilot_competitors(case.competitors))
    return total


def replicates(cases: Sequence[PlannedCase], pilots: int = 0, most_blocks: int = 0) -> int:
    """How many processes the plan starts, pilots included, if every case gets at least `most_blocks`."""
    return sum(len(case.competitors) * (max(case.blocks, most_blocks) + pilots) for case in cases)


def _lines(path: Path) -> Iterable[str]:
    try:
        return read_regular(path, TIMINGS_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
