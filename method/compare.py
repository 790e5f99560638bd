"""The paired comparison: one log-ratio a block, a t interval over blocks, a sign-flip test beside it.

The unit is the process, not the step: pooled steps of one process are not independent, and tests on them
call two labels of the same program different far more often than they promise.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy import special, stats

FIXED_ALPHA = 0.05
"""The level of a run whose number of blocks was fixed beforehand."""
ADAPTIVE_ALPHA = 0.035
"""The level of a run that stops on width (method/stopping.py).

Such a run stops more readily where the scatter seen so far is by chance too small, and so finds differences, and
misses the true ratio, more often than a t test promises. At this level, simulated runs that look every 2 blocks from
8 to 30 do either in 3.5 to 5.1 % of comparisons, over a wide range of scatter (benchmarks/false_verdicts.py); so the
t interval at 96.5 % is called what it attains there: 95 %.
"""
RESAMPLES = 9999
SAME = 1e-12
"""Sums that differ by less, as a fraction, differ by rounding alone."""


@dataclass(frozen=True)
class Paired:
    """log(time of B / time of A) over blocks: mean, interval that holds the true one in 95 %, p of "no difference".

    `alpha` is the level that p must fall below; the interval leaves 0 out exactly where it does.
    """

    n: int
    log_ratio: float
    low: float | None
    high: float | None
    sd: float | None
    p: float | None
    alpha: float
    differences: tuple[float, ...] = field(repr=False)

    @property
    def identical(self) -> bool:
        """Every block gave the same difference to the last digit, which no clock that runs ever does."""
        return self.n > 1 and self.sd == 0.0

    @cached_property
    def p_permutation(self) -> float | None:
        """The sign-flip test's two-sided p: exact up to 13 blocks, drawn with a fixed seed beyond."""
        return None if self.p is None else _sign_flip(max(_both_signs(self.differences))[1])

    def swapped(self) -> "Paired":
        """The same comparison with A and B exchanged: the reciprocal ratio and the mirrored interval."""
        mirrored = (None, None) if self.low is None or self.high is None else (-self.high, -self.low)
        turned = tuple(-value for value in reversed(self.differences))
        return replace(self, log_ratio=-self.log_ratio, low=mirrored[0], high=mirrored[1], differences=turned)


def ratio(log_ratio: float) -> float:
    """exp, made so that ratio(-x) is exactly 1 / ratio(x) for x ≥ 0."""
    return math.exp(log_ratio) if log_ratio >= 0 else 1 / math.exp(-log_ratio)


def paired(differences: Sequence[float], alpha: float = FIXED_ALPHA) -> Paired:
    """Compare from the blocks' log-ratios, in any order, at the level of their run; needs at least one.

    Computed for one of the two signs and mirrored for the other, so that exchanging the labels cannot change a digit.
    """
    given, turned = _both_signs(differences)
    if turned > given:
        return paired(turned[1], alpha).swapped()
    mean, ordered = given
    n = len(ordered)
    if n == 1:
        return Paired(1, mean, None, None, None, None, alpha, ordered)
    if math.isclose(ordered[0], ordered[-1], rel_tol=1e-12, abs_tol=1e-15):
        return Paired(n, mean, None, None, 0.0, None, alpha, ordered)
    sd = float(np.std(ordered, ddof=1))
    half, p = half_width(n, sd, alpha), 2 * float(special.stdtr(n - 1, -abs(mean) * math.sqrt(n) / sd))
    return Paired(n, mean, mean - half, mean + half, sd, p, alpha, ordered)


def interval_of_mean(values: Sequence[float], alpha: float = FIXED_ALPHA) -> tuple[float, float] | None:
    """The t interval of the mean of `values` at this level, or None from fewer than two."""
    if len(values) < 2:
        return None
    mean, half = float(np.mean(values)), half_width(len(values), float(np.std(values, ddof=1)), alpha)
    return mean - half, mean + half


def half_width(n: int, sd: float, alpha: float) -> float:
    """Half the t interval of a mean of `n` values with this scatter."""
    return _quantile(n - 1, alpha) * sd / math.sqrt(n)


def blocks_until_narrower(sd: float, width: float, most: int, alpha: float = FIXED_ALPHA) -> int | None:
    """How many blocks in all make half the interval less than `width` at this scatter; None beyond `most`."""
    return _fewest(lambda n: half_width(n, sd, alpha) < width, most)


def blocks_until_significant(sd: float, mean: float, alpha: float, most: int) -> int | None:
    """How many blocks in all bring the t test of this mean and scatter below `alpha`; None beyond `most`."""

    def significant(n: int) -> bool:
        return 2 * float(stats.t.sf(abs(mean) * math.sqrt(n) / sd, n - 1)) < alpha

    return _fewest(significant, most)


@lru_cache(maxsize=4096)
def _quantile(freedom: int, alpha: float) -> float:
    return float(stats.t.ppf(1 - alpha / 2, freedom))


def _both_signs(
    differences: Sequence[float],
) -> tuple[tuple[float, tuple[float, ...]], tuple[float, tuple[float, ...]]]:
    """The mean and the ordered differences as given and with A and B exchanged: the greater of the two decides."""
    ordered = tuple(sorted(map(float, differences)))
    mean = math.fsum(ordered) / len(ordered)
    return (mean, ordered), (-mean, tuple(-value for value in reversed(ordered)))


def _fewest(settled: Callable[[int], bool], most: int) -> int | None:
    """The least number of blocks that settles it: more blocks never unsettle it."""
    if not settled(most):
        return None
    low, high = 2, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle + 1, high)
    return low


def _sign_flip(values: Sequence[float]) -> float:
    """All rows of signs in one product: SciPy's general test calls back for each, which takes 20 ms a comparison."""
    signs, observed = _signs(len(values)), abs(math.fsum(values))
    as_far = np.count_nonzero(np.abs(np.einsum("ij,j", signs, np.asarray(values))) >= observed * (1 - SAME))
    drawn = len(signs) < 2 ** len(values)
    return float((as_far + drawn) / (len(signs) + drawn))


@lru_cache(maxsize=8)
def _signs(n: int) -> np.ndarray:
    """Signs for `n` differences, a row a pattern: all where these are few enough, else drawn, the same ever."""
    if 2**n <= RESAMPLES:
        return 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1) - 1.0
    return np.random.default_rng(0).choice((-1.0, 1.0), (RESAMPLES, n))
