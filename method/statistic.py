"""One number from one replicate, and whether the replicate had settled when it was taken."""

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from statistics import fmean
from typing import NamedTuple

import numpy as np

from runners.harness.case import Case
from runners.harness.record import Record, Samples

STEADY_SPREAD = 0.03
"""The quarters after warm-up (of loaders: the halves) may differ by this much."""
STEADY_STEPS = 60
"""With fewer retained steps, quarters are too short to tell drift from noise."""
STEADY_BURSTS = 20
"""With fewer bursts of a loader, its halves are too short."""
TOGETHER = 2**20
"""So many steps are in memory a second time at most, unless one replicate has more."""
STEP_WORKLOADS = ("train", "infer", "roof")


class Steadiness(StrEnum):
    """Whether the retained steps had reached a level."""

    STEADY = "steady"
    UNSTEADY = "not steady"
    UNVERIFIED = "warm-up unverified"
    NOT_APPLICABLE = "one number"


def retained(samples: Samples) -> Sequence[int]:
    """The steps after warm-up, in ns; none is dropped for its size."""
    return samples.step_ns[samples.warmup_steps :]


class Summary(NamedTuple):
    """What one replicate comes to: the compared statistic and the mean step, in seconds, and whether it had settled.

    The statistic of steps is their median. Of loaders it is the elapsed time per batch, since a pool of workers
    delivers in bursts and the median interval between batches says nothing; of `fit` the whole `train` stage. The mean
    step is there only where the median is what is compared.
    """

    seconds: float
    mean_seconds: float | None
    steadiness: Steadiness


def summarise(records: Sequence[Record]) -> list[Summary]:
    """What each of these `ok` records comes to. Those with equally many steps are taken together: where thousands are
    read, one after the other takes five times as long.

    Raises ArithmeticError for a step beyond 64 bits, and that or KeyError where there is nothing to compare.
    """
    found: dict[int, Summary] = {}
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        samples = _samples(record)
        if record.case.workload in STEP_WORKLOADS:
            alike[len(retained(samples))].append(place)
        else:
            found[place] = _whole_stage(samples) if record.case.workload == "fit" else _batches(record.case, samples)
    for steps, places in alike.items():
        at_once = max(1, TOGETHER // max(1, steps))
        for start in range(0, len(places), at_once):
            some = places[start : start + at_once]
            found |= zip(some, _steps([retained(_samples(records[place])) for place in some]), strict=True)
    return [found[place] for place in range(len(records))]


def seconds(record: Record) -> float:
    """The compared statistic, in seconds, of an `ok` record."""
    return summarise([record])[0].seconds


def _steps(series: Sequence[Sequence[int]]) -> list[Summary]:
    """Steady is where the medians of four quarters are at one level. All series are of one length."""
    steps = np.array(series, dtype=np.int64)
    count = steps.shape[1]
    means = [sum(times) / count / 1e9 for times in series]
    if count < STEADY_STEPS:
        states = [Steadiness.UNVERIFIED] * len(series)
    else:
        # Quarters of equal length, the first ones a step longer where four do not divide them.
        levels = np.array([_medians(quarter) for quarter in np.array_split(steps, 4, axis=1)])
        with np.errstate(divide="ignore", invalid="ignore"):  # a clock that stood still
            apart = levels.max(axis=0) / levels.min(axis=0) - 1
        states = [Steadiness.STEADY if found <= STEADY_SPREAD else Steadiness.UNSTEADY for found in apart.tolist()]
    return list(map(Summary, (_medians(steps) / 1e9).tolist(), means, states))


def _medians(rows: np.ndarray) -> np.ndarray:
    """Of each row of whole numbers; NumPy's own looks for what is not a number, which takes longer."""
    ordered, count = np.sort(rows, axis=1), rows.shape[1]
    return np.asarray(np.mean(ordered[:, [(count - 1) // 2, count // 2]], axis=1))


def _whole_stage(samples: Samples) -> Summary:
    return Summary(samples.stage_ns["train"] / 1e9, None, Steadiness.NOT_APPLICABLE)


def _batches(case: Case, samples: Samples) -> Summary:
    steps = retained(samples)
    state = _loader_steadiness(steps, max(case.workers or 1, 1), samples.queue_batches)
    return Summary(sum(steps) / len(steps) / 1e9, None, state)


def _loader_steadiness(steps: Sequence[int], workers: int, queue: int) -> Steadiness:
    """Two halves, parted where a round of the workers ends, so that each holds whole bursts of an even delivery.

    What bursts can still do at the boundary is to move a full queue from one half to the other. Halves that agree are
    called steady (in one replicate chance may hide a drift, in most of a side's it cannot), halves that differ by more
    than the spread and such a burst together are not steady, and between the two it cannot be told.
    """
    burst = max(workers, queue)
    if len(steps) < STEADY_BURSTS * burst:
        return Steadiness.UNVERIFIED
    middle = len(steps) // 2 // workers * workers
    low, high = sorted((fmean(steps[:middle]), fmean(steps[middle:])))
    apart = high / low - 1
    if apart <= STEADY_SPREAD:
        return Steadiness.STEADY
    by_a_burst = 2 * burst / (middle - burst)
    return Steadiness.UNVERIFIED if apart <= STEADY_SPREAD + by_a_burst else Steadiness.UNSTEADY


def _samples(record: Record) -> Samples:
    if record.samples is None:
        raise ValueError(f"record {record.record_id} has no samples")
    return record.samples
