"""Whether a side still warmed up, or slowed down, while it was measured: judged over all its replicates.

Of one replicate the drift is D = log(last quarter / first quarter) of what it kept. Times that wander at random give D
of either sign, and their mean over replicates tends to 0; they are in the scatter of the blocks already. A warm-up that
had not ended gives D of one sign in every replicate, which no number of blocks takes out of the ratio.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from method.anytime import FIRST_LOOK
from method.compare import ALPHA, interval_of_mean


@dataclass(frozen=True)
class Drift:
    """Mean D of a side, or of one side less another's, in logs, with its 95 % t interval over `n` replicates."""

    n: int
    mean: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        """Its interval leaves 0 out."""
        return self.low > 0 or self.high < 0

    @property
    def bound(self) -> float:
        """The most by which it may have moved a ratio, in logs; 0 where it may as well be chance."""
        return max(abs(self.low), abs(self.high)) if self.significant else 0.0


def of_side(drifts: Mapping[int, float]) -> Drift | None:
    """A side's own drift from D by block; None from fewer than three."""
    return _over(list(drifts.values()))


def between(left: Mapping[int, float], right: Mapping[int, float]) -> Drift | None:
    """How much more `right` drifted than `left`, block by block."""
    return _over([right[block] - left[block] for block in sorted(left.keys() & right.keys())])


def _over(values: list[float]) -> Drift | None:
    if len(values) < FIRST_LOOK or (found := interval_of_mean(values, ALPHA)) is None:
        return None
    return Drift(len(values), math.fsum(values) / len(values), *found)
