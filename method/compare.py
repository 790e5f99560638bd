"""The paired comparison: one log-ratio a block, a t interval over blocks, a sign-flip test beside it.

The unit is the process, not the step: pooled steps of one process are not independent, and tests on them
call two labels of the same program different far more often than they promise.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 9999


@dataclass(frozen=True)
class Paired:
    """log(time of B / time of A) over blocks: mean, 95 % interval, two-sided p of "no difference"."""

    n: int
    log_ratio: float
    low: float | None
    high: float | None
    sd: float | None
    p: float | None
    p_permutation: float | None

    @property
    def identical(self) -> bool:
        """Every block gave the same difference to the last digit, which no clock that runs ever does."""
        return self.n > 1 and self.sd == 0.0

    def swapped(self) -> "Paired":
        """The same comparison with A and B exchanged: the reciprocal ratio and the mirrored interval."""
        mirrored = (None, None) if self.low is None or self.high is None else (-self.high, -self.low)
        return replace(self, log_ratio=-self.log_ratio, low=mirrored[0], high=mirrored[1])


def ratio(log_ratio: float) -> float:
    """exp, made so that ratio(-x) is exactly 1 / ratio(x) for x ≥ 0."""
    return math.exp(log_ratio) if log_ratio >= 0 else 1 / math.exp(-log_ratio)


def paired(differences: Sequence[float]) -> Paired:
    """Compare from the blocks' log-ratios, in any order; needs at least one.

    Computed for the sign whose mean is not negative and mirrored otherwise, so that exchanging the labels
    cannot change a digit.
    """
    ordered = np.sort(np.asarray(differences, dtype=float))
    mean = math.fsum(ordered) / len(ordered)
    if mean < 0:
        return paired([-value for value in differences]).swapped()
    if len(ordered) == 1:
        return Paired(1, mean, None, None, None, None, None)
    if math.isclose(float(ordered[0]), float(ordered[-1]), rel_tol=1e-12, abs_tol=1e-15):
        return Paired(len(ordered), mean, None, None, 0.0, None, None)
    result = stats.ttest_1samp(ordered, 0.0)
    interval = result.confidence_interval(CONFIDENCE)
    return Paired(
        n=len(ordered),
        log_ratio=mean,
        low=float(interval.low),
        high=float(interval.high),
        sd=float(np.std(ordered, ddof=1)),
        p=float(result.pvalue),
        p_permutation=_sign_flip(ordered),
    )


def interval_of_mean(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % t interval of the mean of `values`, or None from fewer than two."""
    if len(values) < 2:
        return None
    mean, error = float(np.mean(values)), float(stats.sem(values))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return mean - half, mean + half


def blocks_until_narrower(sd: float, half_width: float, most: int) -> int | None:
    """How many blocks in all make half the 95 % interval less than `half_width` at this scatter; None beyond `most`."""

    def narrower(n: int) -> bool:
        return float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * sd / math.sqrt(n) < half_width

    return _fewest(narrower, most)


def blocks_until_significant(sd: float, mean: float, alpha: float, most: int) -> int | None:
    """How many blocks in all bring the t test of this mean and scatter below `alpha`; None beyond `most`."""

    def significant(n: int) -> bool:
        return 2 * float(stats.t.sf(abs(mean) * math.sqrt(n) / sd, n - 1)) < alpha

    return _fewest(significant, most)


def _fewest(settled: Callable[[int], bool], most: int) -> int | None:
    """The least number of blocks that settles it: more blocks never unsettle it."""
    if not settled(most):
        return None
    low, high = 2, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle + 1, high)
    return low


def _sign_flip(values: np.ndarray) -> float:
    """Exact up to 13 blocks, drawn with a fixed seed beyond."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        result = stats.permutation_test(
            (values,), _mean, permutation_type="samples", n_resamples=RESAMPLES, vectorized=True, rng=0
        )
    return float(result.pvalue)


def _mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(np.mean(values, axis=axis))
