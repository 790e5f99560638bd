"""One competitor's replicates of one case: what may be compared, what was planned, what failed."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aggregator.comparison import health
from aggregator.reading.replicate import computed
from method.statistic import Steadiness
from method.verdict import FEWEST_BLOCKS, MOST_UNSTEADY
from runners.harness.case import Competitor
from runners.harness.record import Record, Status
from runners.harness.run import Unavailable


@dataclass(frozen=True)
class Side:
    """One competitor's replicates of one case."""

    competitor: Competitor
    planned: int | None
    records: tuple[Record, ...]
    unavailable: Unavailable | None = None

    @cached_property
    def label(self) -> str:
        """The competitor's name in tables; one that was slowed down on purpose says so wherever its numbers are."""
        return self.competitor.label if self.slowdown == 1 else f"{self.competitor.label} (slowed {self.slowdown:g}×)"

    @cached_property
    def slowdown(self) -> float:
        """By how much the run was told to slow this competitor down; 1 is not at all."""
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
    def log_means(self) -> dict[int, float]:
        """Log of the mean step, by block, where the statistic is a median."""
        means = {number: computed(record).mean_seconds for number, record in self.ok.items()}
        return {number: math.log(mean) for number, mean in means.items() if mean is not None}

    @cached_property
    def settled(self) -> list[Steadiness]:
        """Whether each comparable replicate had settled."""
        return [computed(record).steadiness for record in self.ok.values()]

    @cached_property
    def signals(self) -> list[tuple[bool, str]]:
        """(gate, sentence) of the machine's counters past their thresholds."""
        return health.summary(list(self.ok.values()))

    @property
    def disturbance(self) -> str | None:
        """Why no verdict may rest on it: the machine failed a gate, or too many replicates did not settle."""
        gates = [text for gate, text in self.signals if gate]
        if gates:
            return gates[0]
        unsteady = self.settled.count(Steadiness.UNSTEADY)
        if self.settled and unsteady / len(self.settled) > MOST_UNSTEADY:
            return f"not steady after warm-up in {unsteady} of {len(self.settled)} replicates"
        return None

    @property
    def finished(self) -> bool:
        """All its planned replicates are there and ok."""
        return self.unavailable is None and bool(self.ok) and len(self.ok) >= (self.planned or 0) and not self.failures

    @property
    def scatter(self) -> float | None:
        """Standard deviation of z: the coefficient of variation between processes."""
        return float(np.std(list(self.logs.values()), ddof=1)) if len(self.logs) > 1 else None


def ranked(sides: Iterable[Side]) -> list[Side]:
    """Sides with data, fastest first, over the blocks all of them finished (over their own where there is none).

    Where two or more have enough blocks for a verdict, the others are left out: one that failed early would shrink the
    ranking to the few blocks that it finished.
    """
    with_data = [side for side in sides if side.logs]
    enough = [side for side in with_data if len(side.logs) >= FEWEST_BLOCKS]
    rivals = enough if len(enough) > 1 else with_data
    shared = shared_blocks(rivals)

    def level(side: Side) -> float:
        blocks = shared or sorted(side.logs)
        return math.fsum(side.logs[number] for number in blocks) / len(blocks)

    return sorted(rivals, key=lambda side: (level(side), side.competitor))


def shared_blocks(sides: Sequence[Side]) -> list[int]:
    """The blocks that all of them finished."""
    return sorted(set.intersection(*(set(side.logs) for side in sides))) if sides else []
