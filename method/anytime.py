"""A test that allows a look at the data after every block, and its interval.

It is the Gaussian mixture in the scale-invariant filtration: Wang, Ramdas: Anytime-valid t-tests and confidence
sequences for Gaussian means with unknown variance, 2023; Lai: On confidence sequences, Annals of Statistics 1976. Let t
be the t statistic of n differences and ν = n − 1. If there is no difference, the expectation of

    E(n; g) = (1 + n g)^(−1/2) · [(1 + t²/ν) / (1 + t²/(ν (1 + n g)))]^((ν + 1)/2)

is at most 1 at every n, and so is the expectation of its mean over several g. By Ville's inequality, E ever reaches 1/α
with a probability of at most α. So 1 / (the largest E so far) is a valid p-value at every look.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

from scipy import optimize

SPREADS = (0.25, 4.0, 64.0)
"""g: the variance of the expected difference, in units of the variance of one block. The mean over three values loses
little against the best single value."""
FIRST_LOOK = 3
"""Blocks at the first look. Two blocks cannot tell a difference from scatter."""
LARGEST_T = 1e9


def looks(differences: Sequence[float]) -> Iterator[tuple[int, float, float]]:
    """(n, mean, standard deviation) after each block from the second on. `differences` are in the order of the blocks.

    It uses Welford's recurrence: if all differences change their sign, so does the mean, to the last digit.
    """
    mean = squares = 0.0
    for n, value in enumerate(differences, 1):
        deviation = value - mean
        mean += deviation / n
        squares += deviation * (value - mean)
        if n > 1:
            yield n, mean, math.sqrt(max(0.0, squares) / (n - 1))


def log_e(n: int, t: float) -> float:
    """log E after `n` ≥ 2 blocks with the t statistic `t`."""
    square, freedom = t * t, n - 1
    parts = [
        -0.5 * math.log1p(n * g) + n / 2 * (math.log1p(square / freedom) - math.log1p(square / (freedom * (1 + n * g))))
        for g in SPREADS
    ]
    largest = max(parts)
    return largest + math.log(sum(math.exp(part - largest) for part in parts) / len(parts))


def p_value(differences: Sequence[float]) -> float:
    """1 / (the largest E at any look so far), but at most 1."""
    largest = 0.0
    for n, mean, sd in looks(differences):
        if n >= FIRST_LOOK:
            largest = max(largest, log_e(n, _t(n, mean, sd)))
    return math.exp(-largest)


def half_width(n: int, sd: float, alpha: float) -> float:
    """Half the width of the confidence sequence after `n` blocks: it holds the means that E does not refute at `alpha`.

    It is infinite if `n` blocks cannot refute any mean at this level.
    """
    return _refuting_t(n, alpha) * sd / math.sqrt(n)


def blocks_until(mean: float, sd: float, alpha: float, most: int) -> int | None:
    """The total number of blocks after which E reaches 1/alpha at this mean and scatter; None if more than `most`."""

    def reached(n: int) -> bool:
        return log_e(n, _t(n, mean, sd)) >= -math.log(alpha)

    if not reached(most):
        return None
    low, high = FIRST_LOOK, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low


def _t(n: int, mean: float, sd: float) -> float:
    return LARGEST_T if sd == 0 else min(LARGEST_T, abs(mean) * math.sqrt(n) / sd)


@lru_cache(maxsize=4096)
def _refuting_t(n: int, alpha: float) -> float:
    """The t statistic for which E is 1/alpha. E grows with t."""

    def excess(log_t: float) -> float:
        return log_e(n, math.exp(log_t)) + math.log(alpha)

    top = math.log(LARGEST_T)
    return math.inf if n < FIRST_LOOK or excess(top) < 0 else math.exp(optimize.brentq(excess, -20.0, top))
