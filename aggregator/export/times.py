"""The times of a replicate that an export gives as its samples."""

from collections.abc import Sequence

from method.statistic import WHOLE_STAGES, retained
from runners.harness.record import Record


def times_ns(record: Record) -> tuple[Sequence[int], Sequence[int]]:
    """(warm-up, kept times) of an `ok` record, in ns; for `fit` and `export` the stage that is compared."""
    samples = record.samples
    assert samples is not None
    if stage := WHOLE_STAGES.get(record.case.workload):
        return [], [samples.stage_ns[stage]]
    return samples.step_ns[: samples.warmup_steps], retained(samples)
