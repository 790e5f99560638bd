"""How busy each stage of a loader's own pipeline was while it was observed."""

import statistics
from typing import NamedTuple

from aggregator.base.quantities import percent
from aggregator.base.text import clean
from aggregator.judge.sides import Side
from runners.harness.record import Record


class Busy(NamedTuple):
    """A stage, how many of its tasks can run at once, and for what share of their time they did."""

    name: str
    workers: int
    share: float


def busy_stages(side: Side) -> list[Busy]:
    """Medians over replicates, in the pipeline's order; empty where no replicate was observed."""
    found: dict[tuple[str, int], list[float]] = {}
    for record in side.ok.values():
        for name, workers, share in _observed(record):
            found.setdefault((name, workers), []).append(share)
    return [Busy(name, workers, statistics.median(shares)) for (name, workers), shares in found.items()]


def busy_text(side: Side) -> str:
    """For a cell: each stage's share."""
    return ", ".join(f"{clean(stage.name, 40)} {_share(stage)}" for stage in busy_stages(side))


def _observed(record: Record) -> list[Busy]:
    samples = record.samples
    whole = samples.stage_ns.get("observed") if samples else None
    if samples is None or not whole:
        return []
    return [Busy(stage.name, stage.workers, stage.busy_ns / (stage.workers * whole)) for stage in samples.pipeline]


def _share(stage: Busy) -> str:
    """Where several tasks can run at once, the share of all of them together."""
    return f"{percent(stage.share)} of {stage.workers}" if stage.workers > 1 else percent(stage.share)
