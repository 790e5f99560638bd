"""One competitor's replicates of one case: comparable replicates, planned blocks, failures."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean

import numpy as np

from aggregator.base.competitor_names import called
from aggregator.judge import health
from aggregator.read.replicate import computed
from method import drift, pairs
from method.drift import Drift
from method.verdict import MOST_DISTURBED
from runners.harness.case import Competitor
from runners.harness.record import Record, Status
from runners.harness.run import Unavailable


@dataclass(frozen=True)
class Side:
    """One competitor's replicates of one case. `titles` has the names of frameworks as people write them."""

    competitor: Competitor
    planned: int | None
    records: tuple[Record, ...]
    unavailable: Unavailable | None = None
    titles: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def label(self) -> str:
        """The competitor's key: what a command names, and what files keep."""
        return self.competitor.label + self._slowed

    @cached_property
    def name(self) -> str:
        """The competitor as people write it: `TensorFlow (graph)`."""
        return called(self.competitor, self.titles) + self._slowed

    @property
    def _slowed(self) -> str:
        """Whether the run slowed the competitor down on purpose."""
        return "" if self.slowdown == 1 else f" (slowed {self.slowdown:g}×)"

    def values(self, read: Callable[[Record], float | None]) -> list[float]:
        """What `read` finds in the replicates that may be compared, where it finds anything, by block."""
        return [value for record in self.ok.values() if (value := read(record)) is not None]

    @cached_property
    def slowdown(self) -> float:
        """By which factor the run slowed this competitor down; 1 is not at all."""
        return max((record.samples.injected_slowdown for record in self.ok.values() if record.samples), default=1.0)

    @cached_property
    def ok(self) -> dict[int, Record]:
        """The replicates that may be compared, by block."""
        return {record.block.number: record for record in self.records if record.status is Status.OK}

    @cached_property
    def failures(self) -> list[Record]:
        """The replicates that did not end well, in run order."""
        return [record for record in self.records if record.status is not Status.OK]

    @cached_property
    def logs(self) -> dict[int, float]:
        """z = log of the statistic, by block."""
        return {number: math.log(computed(record).seconds) for number, record in self.ok.items()}

    @cached_property
    def seconds_a_replicate(self) -> float:
        """The mean duration of a replicate, as far as its record has it; 0 if none ended well."""
        taken = [computed(record).taken for record in self.ok.values()]
        return fmean(taken) if taken else 0.0

    @cached_property
    def log_means(self) -> dict[int, float]:
        """Log of the mean step, by block, where the statistic is a median."""
        means = {number: computed(record).mean_seconds for number, record in self.ok.items()}
        return {number: math.log(mean) for number, mean in means.items() if mean is not None}

    @cached_property
    def drifts(self) -> dict[int, float]:
        """log(last quarter / first quarter) of each comparable replicate long enough to tell, by block."""
        found = {number: computed(record).drift for number, record in self.ok.items()}
        return {number: drift for number, drift in found.items() if drift is not None}

    @property
    def drift(self) -> Drift | None:
        """The drift over all replicates."""
        return drift.of_side(self.drifts)

    @cached_property
    def signals(self) -> list[tuple[bool, str]]:
        """(gate, sentence) of the machine's counters past their thresholds."""
        return health.summary(list(self.ok.values()))

    @property
    def disturbance(self) -> str | None:
        """Why the side cannot win: too many replicates ran in other conditions. None if the side is undisturbed."""
        disturbed = sum(any(signal.gate for signal in health.signals(record)) for record in self.ok.values())
        if disturbed <= MOST_DISTURBED * len(self.ok):
            return None
        return next(text for gate, text in self.signals if gate)

    @property
    def finished(self) -> bool:
        """All its planned replicates are there and ok."""
        return self.unavailable is None and bool(self.ok) and len(self.ok) >= (self.planned or 0) and not self.failures

    @property
    def scatter(self) -> float | None:
        """Standard deviation of z: the coefficient of variation between processes."""
        return float(np.std(list(self.logs.values()), ddof=1)) if len(self.logs) > 1 else None


def ranked(sides: Iterable[Side]) -> list[Side]:
    """Sides with data, fastest first: see method.pairs.ranked."""
    by_competitor = {side.competitor: side for side in sides}
    order = pairs.ranked({one: side.logs for one, side in by_competitor.items()})
    return [by_competitor[one] for one in order]
