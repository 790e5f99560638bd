"""Estimates how long replicates take: from the run itself, its pilots or earlier runs, else from arithmetic."""

import contextlib
import dataclasses
import functools
import json
import math
import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from launcher.plan.cases import pilot_competitors, pilot_sampling
from method.statistic import STEP_WORKLOADS
from runners.harness.case import Case, Competitor
from runners.harness.files import read_regular
from runners.harness.run import PILOTS, PlannedCase, Stopping
from runners.harness.sampling import Sampling
from runners.reference.cost import step_cost
from runners.reference.layers import CLASSES

TIMINGS_NAME = "timings.jsonl"
TIMINGS_BYTES = 64 * 2**20
"""The most bytes of a run's list; each replicate adds some 150."""

Bounds = tuple[float, float]
"""The shortest and the longest time that is likely, in seconds."""
NOTHING: Bounds = (0.0, 0.0)

START_SECONDS = (3.0, 12.0)
"""A framework starts, compiles and shows its evidence."""
EVIDENCE_STEPS = 20
"""A training repeats its first steps, in float64 too; that takes as long as so many steps."""
OF_PILOT: Bounds = (0.5, 1.5)
"""The time of a replicate divided by the time of a pilot. A pilot measures longer, but may call for more steps."""
LOAD_SECONDS, EXPORT_SECONDS, OTHER_SECONDS = (10.0, 30.0), (8.0, 40.0), (4.0, 12.0)
"""Seconds of a replicate whose arithmetic cannot be counted, on two cores."""
STEP_RATES = {"cpu": (40e9, 400e9), "gpu": (0.2e12, 5e12)}
"""Operations a second in steps: nine tenths of the steps published in 2021, on a Core i7-9750H and an RTX 2060."""
FIT_RATES = {"cpu": (40e9, 75e9), "gpu": (0.13e12, 0.8e12)}
"""Operations a second in a training of cnn4: all published in 2025, on a Core Ultra 7 155H and a Tesla T4."""
FIT_RATES_OF = "cnn4"
"""The network whose trainings were published."""
UNPREPARED_IMAGES = {"cifar100": 50_000, "synthetic-labelled": 2_000}
"""Training images of data sets that the launcher prepares, for the time before there is a manifest."""


class Durations:
    """Seconds that replicates took. The run's own times count first, then its pilots', then earlier runs' (`before`).

    The estimate is between their quartiles, so that one slow start matters little.
    """

    def __init__(self, before: "Durations | None" = None, pilots: "Durations | None" = None) -> None:
        self._exact: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._alike: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._before, self._pilots = before, pilots

    def add(self, name: str, workload: str, competitor: str, seconds: float) -> None:
        """Take in one replicate, by the labels of its case and its competitor."""
        program = _without_alias(competitor)
        self._exact[name, program].append(seconds)
        self._alike[workload, program].append(seconds)

    def read(self, path: Path) -> None:
        """Take in a run's list. Damaged lines are passed over: this is only an estimate."""
        for line in _lines(path):
            try:
                entry = json.loads(line)
                if entry.get("ok") is False:
                    continue
                self.add(str(entry["case"]), str(entry["workload"]), str(entry["competitor"]), float(entry["seconds"]))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue

    def bounds(self, planned: PlannedCase, competitor: Competitor) -> Bounds:
        """The estimate for one replicate: from the same case, else from the same workload, else a guess.

        A case whose arithmetic can be counted is never estimated from another: networks, batches and epochs differ.
        """
        case, program = planned.case, _without_alias(competitor.label)
        if measured := self._exact.get((case.label, program)):
            return _quartiles(measured)
        if self._pilots and (measured := self._pilots._exact.get((case.label, program))):
            return OF_PILOT[0] * min(measured), OF_PILOT[1] * max(measured)
        if self._before and self._before.knows(case, competitor):
            return self._before.bounds(planned, competitor)
        if _operations(case) is None and (measured := self._alike.get((case.workload, program))):
            return _quartiles(measured)
        return self._before.bounds(planned, competitor) if self._before else guess(case, planned.sampling)

    def seconds(self, planned: PlannedCase, competitor: Competitor) -> float:
        """The estimate as one number, where one is needed: between the bounds, as far from each by ratio."""
        return math.sqrt(math.prod(self.bounds(planned, competitor)))

    def knows(self, case: Case, competitor: Competitor) -> bool:
        """Whether this very case and competitor was measured before."""
        return (case.label, _without_alias(competitor.label)) in self._exact


def _without_alias(label: str) -> str:
    """Both labels of an A/A run are one program."""
    return label.partition(":")[0]


def _quartiles(seconds: Sequence[float]) -> Bounds:
    if len(seconds) == 1:
        return seconds[0], seconds[0]
    low, _, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return low, high


def guess(case: Case, sampling: Sampling) -> Bounds:
    """An estimate without any measurement."""
    operations = _operations(case)
    if operations is None:
        return {"load": LOAD_SECONDS, "export": EXPORT_SECONDS}.get(case.workload, OTHER_SECONDS)
    (slow, fast), _ = _rates(case)
    least, most = (_measuring(case, operations / rate, sampling) for rate in (fast, slow))
    return START_SECONDS[0] + least, START_SECONDS[1] + most


def assumed(case: Case) -> str:
    """What a guess about the case rests on, in words."""
    if _operations(case) is None:
        return "rough constants"
    (slow, fast), what = _rates(case)
    return f"an assumed {slow / 1e9:g} to {fast / 1e9:g} GFLOP/s ({what})"


def _rates(case: Case) -> tuple[Bounds, str]:
    """The lowest and the highest number of operations a second that we assume, and where these were published.

    Nobody published trainings of other networks than cnn4. Theirs lie between a slow training and a fast step.
    """
    if not case.epochs:
        return STEP_RATES[case.device], "steps published in 2021"
    slow, fast = FIT_RATES[case.device]
    if case.network == FIT_RATES_OF:
        return (slow, fast), "trainings published in 2025"
    return (slow, STEP_RATES[case.device][1]), "trainings published in 2025, steps in 2021"


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


def _measuring(case: Case, seconds: float, sampling: Sampling) -> float:
    """The time to measure so long a step, or so long a training."""
    if case.epochs:
        return seconds
    kept = min(max(sampling.min_steps * seconds, sampling.min_seconds), sampling.max_steps * seconds)
    evidence = 0 if case.workload == "infer" else EVIDENCE_STEPS
    return (sampling.warmup_steps + evidence) * seconds + kept


def earlier(results: Path) -> Durations:
    """The durations in earlier runs under `results`."""
    durations = Durations()
    for path in sorted(results.glob(f"*/{TIMINGS_NAME}")):
        durations.read(path)
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
    parts = [times(planned.blocks, block_bounds(planned, durations)) for planned in cases]
    for planned in cases:
        if pilots and planned.case.workload in STEP_WORKLOADS:
            pilot = dataclasses.replace(
                planned,
                competitors=pilot_competitors(planned.competitors),
                sampling=pilot_sampling(planned.sampling),
            )
            parts.append(times(pilots, block_bounds(pilot, durations)))
    return total(parts)


def longest(cases: Sequence[PlannedCase], durations: Durations, pilots: int, rule: Stopping) -> float:
    """The longest likely time of all pilots, and of as many blocks as an adaptive run may have."""
    every = [dataclasses.replace(one, blocks=max(one.blocks, rule.most_blocks)) for one in cases]
    return expected_bounds(every, durations, pilots)[1]


def block_bounds(planned: PlannedCase, durations: Durations) -> Bounds:
    """The estimate for one replicate of each competitor."""
    return total(durations.bounds(planned, one) for one in planned.competitors)


def times(number: float, bounds: Bounds) -> Bounds:
    """So many of the same."""
    return number * bounds[0], number * bounds[1]


def total(parts: Iterable[Bounds]) -> Bounds:
    """All of them, one after the other."""
    found = list(parts)
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
