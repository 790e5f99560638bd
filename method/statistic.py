"""One number from one replicate, and how far its beginning and its end were apart."""

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np

from runners.harness.case import Case
from runners.harness.record import Record, Samples

FEWEST_IN_QUARTER = 2
"""Of shorter quarters the drift is not taken."""
BURSTS_IN_QUARTER = 5
"""The same of a loader, whose workers deliver in bursts."""
TOGETHER = 2**20
"""So many steps are in memory a second time at most, unless one replicate has more."""
STEP_WORKLOADS = ("train", "infer", "roof")


def retained(samples: Samples) -> Sequence[int]:
    """The steps after warm-up, in ns; none is dropped for its size."""
    return samples.step_ns[samples.warmup_steps :]


class Summary(NamedTuple):
    """What one replicate comes to: the compared statistic and the mean step, in seconds, its drift, and the seconds
    that it took in all, as far as its record tells.

    The statistic of steps is their median. Of loaders it is the elapsed time per batch, since a pool of workers
    delivers in bursts and the median interval between batches says nothing; of `fit` the whole `train` stage. The mean
    step is there only where the median is what is compared. The drift is log(last quarter / first quarter) of what was
    kept, by medians of steps and by means of a loader's batches; None where a quarter is too short, and of `fit`.
    """

    seconds: float
    mean_seconds: float | None
    drift: float | None
    taken: float


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
            found |= zip(some, _steps([_samples(records[place]) for place in some]), strict=True)
    return [found[place] for place in range(len(records))]


def seconds(record: Record) -> float:
    """The compared statistic, in seconds, of an `ok` record."""
    return summarise([record])[0].seconds


def _steps(alike: Sequence[Samples]) -> list[Summary]:
    """All have kept equally many steps."""
    series = [retained(samples) for samples in alike]
    steps = np.array(series, dtype=np.int64)
    count = steps.shape[1]
    means = [sum(times) / count / 1e9 for times in series]
    quarter = count // 4
    drifts: Sequence[float | None] = [None] * len(series)
    if quarter >= FEWEST_IN_QUARTER:
        first, last = _medians(steps[:, :quarter]), _medians(steps[:, -quarter:])
        drifts = [_log_ratio(end, start) for start, end in zip(first.tolist(), last.tolist(), strict=True)]
    return list(map(Summary, (_medians(steps) / 1e9).tolist(), means, drifts, map(_taken, alike)))


def _medians(rows: np.ndarray) -> np.ndarray:
    """Of each row of whole numbers; NumPy's own looks for what is not a number, which takes longer."""
    ordered, count = np.sort(rows, axis=1), rows.shape[1]
    return np.asarray(np.mean(ordered[:, [(count - 1) // 2, count // 2]], axis=1))


def _whole_stage(samples: Samples) -> Summary:
    return Summary(samples.stage_ns["train"] / 1e9, None, None, _taken(samples))


def _batches(case: Case, samples: Samples) -> Summary:
    steps, workers = retained(samples), max(case.workers or 1, 1)
    # Whole rounds of the workers, so that both quarters hold whole bursts of an even delivery.
    quarter = len(steps) // 4 // workers * workers
    long_enough = quarter >= BURSTS_IN_QUARTER * max(workers, samples.queue_batches)
    drift = _log_ratio(fmean(steps[-quarter:]), fmean(steps[:quarter])) if long_enough else None
    return Summary(sum(steps) / len(steps) / 1e9, None, drift, _taken(samples))


def _taken(samples: Samples) -> float:
    before = samples.import_ns + samples.setup_ns
    return (before + sum(samples.step_ns) + sum(samples.group_ns or ()) + sum(samples.stage_ns.values())) / 1e9


def _log_ratio(end: float, start: float) -> float | None:
    """None where a clock stood still."""
    return math.log(end / start) if end > 0 and start > 0 else None


def _samples(record: Record) -> Samples:
    if record.samples is None:
        raise ValueError(f"record {record.record_id} has no samples")
    return record.samples
