"""The paired comparison: one log-ratio a block, an interval of their mean, a test of "no difference".

The unit is the process, not the step: pooled steps of one process are not independent, and tests on them
call two labels of the same program different far more often than they promise.

Where the number of blocks was fixed beforehand, interval and test are those of the t distribution. Where a case gets
blocks until it is answered, they are the anytime-valid ones (method/anytime.py), which may be looked at after every
block; once the case has ended on width or has had its most blocks, the t test of that moment is asked as well. The two
share the level, so that together they err no more often than it says.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy import special, stats

from method import anytime
from runners.harness.run import Stopping

ALPHA = 0.05
"""The level of a comparison, and of a whole report: how often it may call equals different."""
ANYTIME_ALPHA = ALPHA / 2
"""The anytime-valid test's share of it."""
ENDED_ALPHA = 0.0175
"""The level of the t test where a case has ended on width or on its most blocks, whose share is the other half.

Who stops on width stops more readily where the scatter seen so far is by chance too small, so that the interval misses
the true ratio more often than a t interval promises. At this level it does so in less than half of ALPHA
(benchmarks/false_verdicts.py).
"""
RESAMPLES = 9999
SAME = 1e-12
"""Sums that differ by less, as a fraction, differ by rounding alone."""


@dataclass(frozen=True)
class Design:
    """How a case came to its number of blocks: fixed beforehand, or by a rule that looked at its answer.

    Without the `rule`, as where it is unknown or somebody went on after it had ended, the anytime-valid part stands
    alone.
    """

    fixed: bool
    rule: Stopping | None = None


FIXED, ANYTIME = Design(fixed=True), Design(fixed=False)


@dataclass(frozen=True)
class Paired:
    """log(time of B / time of A) over blocks: mean, interval that holds the true one in 95 %, p of "no difference".

    `p` is valid at ALPHA whatever stopped the run, `p_t` is the plain t test's. `differences` are in the order of the
    blocks. `widened` is by how much drift that the sides do not share moved the interval's ends (method/drift.py);
    `anytime` says that the interval is a confidence sequence.
    """

    n: int
    log_ratio: float
    low: float | None
    high: float | None
    sd: float | None
    p: float | None
    p_t: float | None
    differences: tuple[float, ...] = field(repr=False)
    design: Design = FIXED
    anytime: bool = False
    widened: float = 0.0

    @property
    def identical(self) -> bool:
        """Every block gave the same difference to the last digit, which no clock that runs ever does."""
        return self.n > 1 and self.sd == 0.0

    @cached_property
    def p_permutation(self) -> float | None:
        """The sign-flip test's two-sided p: exact up to 13 blocks, drawn with a fixed seed beyond."""
        return None if self.p_t is None else _sign_flip(max(_both_signs(self.differences))[1])

    def swapped(self) -> "Paired":
        """The same comparison with A and B exchanged: the reciprocal ratio and the mirrored interval."""
        mirrored = (None, None) if self.low is None or self.high is None else (-self.high, -self.low)
        turned = tuple(-value for value in self.differences)
        return replace(self, log_ratio=-self.log_ratio, low=mirrored[0], high=mirrored[1], differences=turned)


def ratio(log_ratio: float) -> float:
    """exp, made so that ratio(-x) is exactly 1 / ratio(x) for x ≥ 0."""
    return math.exp(log_ratio) if log_ratio >= 0 else 1 / math.exp(-log_ratio)


def paired(differences: Sequence[float], design: Design = FIXED, widened: float = 0.0) -> Paired:
    """Compare from the blocks' log-ratios, in the order of the blocks; needs at least one.

    `widened` is by how much, in logs, drift moves the ends of the interval.

    Computed for one of the two signs and mirrored for the other, so that exchanging the labels cannot change a digit.
    """
    given, turned = _both_signs(differences)
    if turned > given:
        return paired([-value for value in differences], design, widened).swapped()
    mean, ordered = given
    n, kept, rule = len(ordered), tuple(map(float, differences)), design.rule
    if n == 1:
        return Paired(1, mean, None, None, None, None, None, kept, design)
    if math.isclose(ordered[0], ordered[-1], rel_tol=1e-12, abs_tol=1e-15):
        return Paired(n, mean, None, None, 0.0, None, None, kept, design)
    sd = float(np.std(ordered, ddof=1))
    p_t = 2 * float(special.stdtr(n - 1, -abs(mean) * math.sqrt(n) / sd))
    p, half, sequence = p_t, half_width(n, sd, ALPHA), False
    if not design.fixed:
        sequence = rule is None or not has_ended(n, sd, rule)
        p = min(1.0, anytime.p_value(kept) * ALPHA / ANYTIME_ALPHA)
        if sequence:
            half = anytime.half_width(n, sd, ANYTIME_ALPHA)
        else:
            p, half = min(p, p_t * ALPHA / ENDED_ALPHA), half_width(n, sd, ENDED_ALPHA)
    if math.isinf(half):
        return Paired(n, mean, None, None, sd, p, p_t, kept, design, sequence)
    low, high = _towards_one(mean - half, mean + half, widened)
    return Paired(n, mean, low, high, sd, p, p_t, kept, design, sequence, widened)


def has_ended(n: int, sd: float, rule: Stopping) -> bool:
    """Whether the rule gives a pair with this scatter no further block, whatever its mean: narrow enough, or long."""
    if n < anytime.FIRST_LOOK:
        return False
    return n >= rule.most_blocks or half_width(n, sd, ENDED_ALPHA) <= math.log1p(rule.half_width)


def _towards_one(low: float, high: float, widened: float) -> tuple[float, float]:
    """The interval with the end that is nearer to 1 moved towards it and beyond; both ends where it holds 1."""
    return (low if high < 0 else low - widened), (high if low > 0 else high + widened)


def interval_of_mean(values: Sequence[float], alpha: float = ALPHA) -> tuple[float, float] | None:
    """The t interval of the mean of `values` at this level, or None from fewer than two."""
    if len(values) < 2:
        return None
    mean, half = float(np.mean(values)), half_width(len(values), float(np.std(values, ddof=1)), alpha)
    return mean - half, mean + half


def half_width(n: int, sd: float, alpha: float) -> float:
    """Half the t interval of a mean of `n` values with this scatter."""
    return _quantile(n - 1, alpha) * sd / math.sqrt(n)


def blocks_until_narrower(
    sd: float, width: float, most: int, alpha: float = ALPHA, of: Callable[[int, float, float], float] = half_width
) -> int | None:
    """How many blocks in all make half the interval less than `width` at this scatter; None beyond `most`."""
    return _fewest(lambda n: of(n, sd, alpha) < width, most)


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
