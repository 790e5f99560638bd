"""One number from one replicate, and how far its beginning and its end were apart."""

import math
from collections.abc import Sequence
from statistics import fmean, median
from typing import NamedTuple

from runners.harness.case import Case
from runners.harness.record import Record, Samples

FEWEST_IN_QUARTER = 2
"""Of shorter quarters the drift is not taken."""
BURSTS_IN_QUARTER = 5
"""The same of a loader, whose workers deliver in bursts."""
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


def summarise(record: Record) -> Summary:
    """What an `ok` record comes to.

    Raises ArithmeticError or KeyError where it holds nothing to compare.
    """
    if record.samples is None:
        raise KeyError(f"record {record.record_id} has no samples")
    if record.case.workload in STEP_WORKLOADS:
        return _steps(record.samples)
    return _whole_stage(record.samples) if record.case.workload == "fit" else _batches(record.case, record.samples)


def seconds(record: Record) -> float:
    """The compared statistic, in seconds, of an `ok` record."""
    return summarise(record).seconds


def _steps(samples: Samples) -> Summary:
    steps = retained(samples)
    mean = sum(steps) / len(steps) / 1e9
    quarter, drift = len(steps) // 4, None
    if quarter >= FEWEST_IN_QUARTER:
        drift = _log_ratio(median(steps[-quarter:]), median(steps[:quarter]))
    return Summary(median(steps) / 1e9, mean, drift, _taken(samples))


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
