"""The times of a replicate that other programs are given as its samples."""

from collections.abc import Sequence

from method.statistic import retained
from runners.harness.record import Record


def times_ns(record: Record) -> tuple[Sequence[int], Sequence[int]]:
    """(warm-up, what is kept) of an `ok` record, in ns; of `fit` the training alone, which is its statistic."""
    samples = record.samples
    assert samples is not None
    if record.case.workload == "fit":
        return [], [samples.stage_ns["train"]]
    return samples.step_ns[: samples.warmup_steps], retained(samples)
