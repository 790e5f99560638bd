"""Whether a competitor still warmed up, or slowed down, while it was measured: judged over all its replicates.

The drift of a replicate is D = log(last quarter / first quarter) of its steps after the warm-up. Times that wander at
random give D of either sign; the mean of D over replicates tends to 0, and the scatter of the blocks covers them. A
warm-up that had not ended gives D of the same sign in every replicate, and no number of blocks removes this error.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from method.anytime import FIRST_LOOK
from method.compare import ALPHA, interval_of_mean


@dataclass(frozen=True)
class Drift:
    """The mean D of a side, or the mean difference between two sides, in logs, with its 95 % t interval.

    `n` is the number of replicates or of shared blocks.
    """

    n: int
    mean: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    @property
    def bound(self) -> float:
        """The largest likely effect of the drift on a ratio, in logs; 0 if the drift may be chance."""
        return max(abs(self.low), abs(self.high)) if self.significant else 0.0


def of_side(drifts: Mapping[int, float]) -> Drift | None:
    """The drift of a side, from D by block; None for fewer than three blocks."""
    return _over(list(drifts.values()))


def between(left: Mapping[int, float], right: Mapping[int, float]) -> Drift | None:
    """How much more `right` drifted than `left`, from D by block; None for fewer than three shared blocks."""
    return _over([right[block] - left[block] for block in sorted(left.keys() & right.keys())])


def _over(values: list[float]) -> Drift | None:
    if len(values) < FIRST_LOOK or (found := interval_of_mean(values, ALPHA)) is None:
        return None
    return Drift(len(values), math.fsum(values) / len(values), *found)
