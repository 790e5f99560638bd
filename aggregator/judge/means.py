"""The mean over replicates that the report, the exports and the machine's limits show."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from method.compare import interval_of_mean
from method.verdict import FEWEST_BLOCKS


class Mean(NamedTuple):
    """A geometric mean over `n` replicates with the ends of its 95 % interval.

    There is no interval from fewer than three replicates: of two, it is mostly factors wide.
    """

    value: float
    low: float | None
    high: float | None
    n: int

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the interval; the mean itself where there is none."""
        return (self.value if self.low is None else self.low), (self.value if self.high is None else self.high)


def geometric_mean(logs: Sequence[float]) -> Mean:
    """Of the numbers whose logarithms these are, of which there is one at least."""
    interval = interval_of_mean(logs) if len(logs) >= FEWEST_BLOCKS else None
    low, high = map(math.exp, interval) if interval else (None, None)
    return Mean(math.exp(math.fsum(logs) / len(logs)), low, high, len(logs))
