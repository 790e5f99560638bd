"""The times of a replicate that an export gives as its samples."""

from collections.abc import Sequence

from method.statistic import retained
from runners.harness.record import Record


def times_ns(record: Record) -> tuple[Sequence[int], Sequence[int]]:
    """(warm-up, kept times) of an `ok` record, in ns; for `fit` only the training, which is its statistic."""
    samples = record.samples
    assert samples is not None
    if record.case.workload == "fit":
        return [], [samples.stage_ns["train"]]
    return samples.step_ns[: samples.warmup_steps], retained(samples)
