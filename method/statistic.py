"""The compared number of a replicate, and its drift from beginning to end."""

import math
from collections.abc import Sequence
from statistics import fmean, median
from typing import NamedTuple

from runners.harness.case import Case
from runners.harness.record import Record, Samples

FEWEST_IN_QUARTER = 2
"""The fewest steps in a quarter for a drift."""
BURSTS_IN_QUARTER = 5
"""The fewest bursts of a loader's workers in a quarter for a drift."""
STEP_WORKLOADS = ("train", "infer", "scale", "roof")
WHOLE_STAGES = {"fit": "train", "export": "export"}
"""The stage whose whole time is compared, by workload."""


def retained(samples: Samples) -> Sequence[int]:
    """All steps after the warm-up, in ns."""
    return samples.step_ns[samples.warmup_steps :]


class Summary(NamedTuple):
    """The numbers of a replicate.

    `seconds` is the compared number: for steps the median step; for a loader the time per batch over the whole window,
    because workers deliver in bursts and the median interval says nothing; for `fit` the whole stage `train`, for
    `export` the export.
    `mean_seconds` is the mean step, only if the median is compared. `drift` is log(last quarter / first quarter) of the
    steps after the warm-up, by medians of steps or means of a loader's batches; None if a quarter is too short, and for
    `fit` and `export`. `taken` is how many seconds the replicate took in all, as far as its record shows.
    """

    seconds: float
    mean_seconds: float | None
    drift: float | None
    taken: float


def summarise(record: Record) -> Summary:
    """The numbers of an `ok` record. Raises ArithmeticError or KeyError if it holds nothing to compare."""
    if record.samples is None:
        raise KeyError(f"record {record.record_id} has no samples")
    if record.case.workload in STEP_WORKLOADS:
        return _steps(record.samples)
    if stage := WHOLE_STAGES.get(record.case.workload):
        return Summary(record.samples.stage_ns[stage] / 1e9, None, None, _taken(record.samples))
    return _batches(record.case, record.samples)


def seconds(record: Record) -> float:
    """The compared number of an `ok` record, in seconds."""
    return summarise(record).seconds


def _steps(samples: Samples) -> Summary:
    steps = retained(samples)
    mean = sum(steps) / len(steps) / 1e9
    quarter, drift = len(steps) // 4, None
    if quarter >= FEWEST_IN_QUARTER:
        drift = _log_ratio(median(steps[-quarter:]), median(steps[:quarter]))
    return Summary(median(steps) / 1e9, mean, drift, _taken(samples))


def _batches(case: Case, samples: Samples) -> Summary:
    steps, workers = retained(samples), max(case.workers or 1, 1)
    # Whole rounds of the workers, so that both quarters hold whole bursts.
    quarter = len(steps) // 4 // workers * workers
    long_enough = quarter >= BURSTS_IN_QUARTER * max(workers, samples.queue_batches)
    drift = _log_ratio(fmean(steps[-quarter:]), fmean(steps[:quarter])) if long_enough else None
    return Summary(sum(steps) / len(steps) / 1e9, None, drift, _taken(samples))


def _taken(samples: Samples) -> float:
    before = samples.import_ns + samples.setup_ns
    return (before + sum(samples.step_ns) + sum(samples.group_ns or ()) + sum(samples.stage_ns.values())) / 1e9


def _log_ratio(end: float, start: float) -> float | None:
    """log(end / start), or None if a time is zero because the clock stood still."""
    return math.log(end / start) if end > 0 and start > 0 else None
