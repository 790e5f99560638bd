"""One number from one replicate, and whether the replicate had settled when it was taken."""

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from statistics import fmean, median

from runners.harness.record import Record, Samples

STEADY_SPREAD = 0.03
"""The quarters after warm-up (of loaders: the halves) may differ by this much."""
STEADY_STEPS = 60
"""With fewer retained steps, quarters are too short to tell drift from noise."""
STEADY_BURSTS = 20
"""With fewer bursts of a loader, its halves are too short."""
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


def seconds(record: Record) -> float:
    """The compared statistic, in seconds, of an `ok` record.

    Steps: the median. Loaders: elapsed time per batch, since a pool of workers delivers in bursts and the
    median interval between batches says nothing. fit: the whole `train` stage.
    """
    samples = _samples(record)
    if record.case.workload == "fit":
        return samples.stage_ns["train"] / 1e9
    steps = retained(samples)
    if record.case.workload in STEP_WORKLOADS:
        return median(steps) / 1e9
    return sum(steps) / len(steps) / 1e9


def mean_seconds(record: Record) -> float | None:
    """The mean step, in seconds, where the median is what is compared; else None."""
    if record.case.workload not in STEP_WORKLOADS:
        return None
    steps = retained(_samples(record))
    return sum(steps) / len(steps) / 1e9


def items_per_second(record: Record) -> float:
    """Images a second at the compared statistic."""
    return _samples(record).items_per_step / seconds(record)


def steadiness(record: Record) -> Steadiness:
    """Whether the retained steps stayed at one level: the medians of their quarters, the means of a loader's halves."""
    if record.case.workload == "fit":
        return Steadiness.NOT_APPLICABLE
    samples = _samples(record)
    steps = retained(samples)
    if record.case.workload not in STEP_WORKLOADS:
        return _loader_steadiness(steps, max(record.case.workers or 1, 1), samples.queue_batches)
    if len(steps) < STEADY_STEPS:
        return Steadiness.UNVERIFIED
    # Quarters of equal length, the first ones a step longer where four do not divide them.
    size, longer = divmod(len(steps), 4)
    ends = [quarter * size + min(quarter, longer) for quarter in range(5)]
    levels = [median(steps[start:end]) for start, end in pairwise(ends)]
    return Steadiness.STEADY if max(levels) / min(levels) - 1 <= STEADY_SPREAD else Steadiness.UNSTEADY


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
