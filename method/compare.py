"""The paired comparison: one log-ratio for each block, an interval of their mean, a test of "no difference".

The unit is the process, not the step. Steps of one process are not independent, and tests on pooled steps call two
labels of the same program different far more often than they promise.

If the number of blocks was fixed beforehand, interval and test come from the t distribution. If a case gets blocks
until it is answered, they are anytime-valid (method/anytime.py), which allows a look after every block. When such a
case has ended, because its interval is narrow or it has had its most blocks, the t test of that moment counts too. Both
tests share the level, so that together they do not err more often than the level says.
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
"""The level of a comparison and of a whole report: how often it may call equal programs different."""
ANYTIME_ALPHA = ALPHA / 2
"""The share of the anytime-valid test in ALPHA."""
ENDED_ALPHA = 0.0175
"""The level of the t test of a case that has ended. Its share in ALPHA is the other half.

A case stops on width more readily if the scatter so far is too small by chance. So the interval misses the true ratio
more often than a t interval promises; at this level, in less than half of ALPHA (benchmarks/false_verdicts.py).
"""
RESAMPLES = 9999
SAME = 1e-12
"""Sums with a smaller relative difference differ by rounding alone."""


@dataclass(frozen=True)
class Design:
    """How the number of blocks of a case came about: fixed beforehand, or by a rule that looked at the data.

    Without a `rule`, because it is unknown or because the run was continued after it had ended, only the anytime-valid
    test counts.
    """

    fixed: bool
    rule: Stopping | None = None


FIXED, ANYTIME = Design(fixed=True), Design(fixed=False)


@dataclass(frozen=True)
class Paired:
    """log(time of B / time of A) over `n` blocks: its mean, the 95 % interval, and p of "no difference".

    `p` is valid at ALPHA for every way of stopping; `p_t` is the p of the plain t test. `differences` are in the order
    of the blocks. `widened` is how far drift that A and B do not share moved the ends of the interval, in logs
    (method/drift.py). `anytime` says that the interval is a confidence sequence.
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
        """Whether every block gave the same difference to the last digit, which no running clock does."""
        return self.n > 1 and self.sd == 0.0

    @cached_property
    def p_permutation(self) -> float | None:
        """The two-sided p of the sign-flip test: exact up to 13 blocks, else with patterns drawn from a fixed seed."""
        return None if self.p_t is None else _sign_flip(max(_both_signs(self.differences))[1])

    def swapped(self) -> "Paired":
        """The comparison with A and B exchanged: the reciprocal ratio and the mirrored interval."""
        low, high = (None, None) if self.low is None or self.high is None else (-self.high, -self.low)
        negated = tuple(-value for value in self.differences)
        return replace(self, log_ratio=-self.log_ratio, low=low, high=high, differences=negated)


def ratio(log_ratio: float) -> float:
    """exp(log_ratio), computed so that ratio(-x) is exactly 1 / ratio(x) for x ≥ 0."""
    return math.exp(log_ratio) if log_ratio >= 0 else 1 / math.exp(-log_ratio)


def paired(differences: Sequence[float], design: Design = FIXED, widened: float = 0.0) -> Paired:
    """Compare A and B from the log-ratios of one or more blocks, in the order of the blocks.

    `widened` is how far, in logs, drift moves the ends of the interval.

    The result is computed for one order of the labels and mirrored for the other, so that exchanging them cannot change
    a digit.
    """
    as_given, exchanged = _both_signs(differences)
    if exchanged > as_given:
        return paired([-value for value in differences], design, widened).swapped()
    mean, ordered = as_given
    n, in_order, rule = len(ordered), tuple(map(float, differences)), design.rule
    if n == 1:
        return Paired(1, mean, None, None, None, None, None, in_order, design)
    if math.isclose(ordered[0], ordered[-1], rel_tol=1e-12, abs_tol=1e-15):
        return Paired(n, mean, None, None, 0.0, None, None, in_order, design)
    sd = float(np.std(ordered, ddof=1))
    p_t = 2 * float(special.stdtr(n - 1, -abs(mean) * math.sqrt(n) / sd))
    p, half, sequence = p_t, half_width(n, sd, ALPHA), False
    if not design.fixed:
        sequence = rule is None or not has_ended(n, sd, rule)
        p = min(1.0, anytime.p_value(in_order) * ALPHA / ANYTIME_ALPHA)
        if sequence:
            half = anytime.half_width(n, sd, ANYTIME_ALPHA)
        else:
            p, half = min(p, p_t * ALPHA / ENDED_ALPHA), half_width(n, sd, ENDED_ALPHA)
    if math.isinf(half):
        return Paired(n, mean, None, None, sd, p, p_t, in_order, design, sequence)
    low, high = _towards_one(mean - half, mean + half, widened)
    return Paired(n, mean, low, high, sd, p, p_t, in_order, design, sequence, widened)


def has_ended(n: int, sd: float, rule: Stopping) -> bool:
    """Whether the rule gives a pair no more blocks: its interval is narrow enough, or it has had its most blocks."""
    if n < anytime.FIRST_LOOK:
        return False
    return n >= rule.most_blocks or half_width(n, sd, ENDED_ALPHA) <= math.log1p(rule.half_width)


def _towards_one(low: float, high: float, widened: float) -> tuple[float, float]:
    """The interval (in logs) with its end nearer to ratio 1 moved by `widened` towards 1, or past it.

    If the interval holds 1, both ends move outwards.
    """
    return (low if high < 0 else low - widened), (high if low > 0 else high + widened)


def interval_of_mean(values: Sequence[float], alpha: float = ALPHA) -> tuple[float, float] | None:
    """The t interval of the mean of `values`, or None for fewer than two values."""
    if len(values) < 2:
        return None
    mean, half = float(np.mean(values)), half_width(len(values), float(np.std(values, ddof=1)), alpha)
    return mean - half, mean + half


def half_width(n: int, sd: float, alpha: float) -> float:
    """Half the width of the t interval of a mean of `n` values with standard deviation `sd`."""
    return _quantile(n - 1, alpha) * sd / math.sqrt(n)


def blocks_until_narrower(
    sd: float, width: float, most: int, alpha: float = ALPHA, of: Callable[[int, float, float], float] = half_width
) -> int | None:
    """The total number of blocks that makes half the interval less than `width` at this scatter; None if above `most`.

    `of` computes half the width from (n, sd, alpha).
    """
    return _fewest(lambda n: of(n, sd, alpha) < width, most)


def blocks_until_significant(sd: float, mean: float, alpha: float, most: int) -> int | None:
    """The total number of blocks that brings the t test's p below `alpha` at this scatter; None if above `most`."""

    def significant(n: int) -> bool:
        return 2 * float(stats.t.sf(abs(mean) * math.sqrt(n) / sd, n - 1)) < alpha

    return _fewest(significant, most)


@lru_cache(maxsize=4096)
def _quantile(freedom: int, alpha: float) -> float:
    return float(stats.t.ppf(1 - alpha / 2, freedom))


def _both_signs(
    differences: Sequence[float],
) -> tuple[tuple[float, tuple[float, ...]], tuple[float, tuple[float, ...]]]:
    """(mean, ordered differences) as given, and with A and B exchanged. `paired` computes with the greater."""
    ordered = tuple(sorted(map(float, differences)))
    mean = math.fsum(ordered) / len(ordered)
    return (mean, ordered), (-mean, tuple(-value for value in reversed(ordered)))


def _fewest(settled: Callable[[int], bool], most: int) -> int | None:
    """The least number of blocks for which `settled` is true, by bisection; None if above `most`."""
    if not settled(most):
        return None
    low, high = 2, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle + 1, high)
    return low


def _sign_flip(values: Sequence[float]) -> float:
    """p of the sign-flip test, all patterns in one product. SciPy's general test takes 20 ms for each comparison."""
    signs, observed = _signs(len(values)), abs(math.fsum(values))
    as_far = np.count_nonzero(np.abs(np.einsum("ij,j", signs, np.asarray(values))) >= observed * (1 - SAME))
    drawn = len(signs) < 2 ** len(values)
    return float((as_far + drawn) / (len(signs) + drawn))


@lru_cache(maxsize=8)
def _signs(n: int) -> np.ndarray:
    """Patterns of signs for `n` differences (patterns × n): all patterns, or of many always the same sample."""
    if 2**n <= RESAMPLES:
        return 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1) - 1.0
    return np.random.default_rng(0).choice((-1.0, 1.0), (RESAMPLES, n))
