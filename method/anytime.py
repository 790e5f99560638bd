"""A test that may be looked at after every block, and the interval that goes with it.

The Gaussian mixture in the scale-invariant filtration: Wang, Ramdas: Anytime-valid t-tests and confidence sequences for
Gaussian means with unknown variance, 2023; Lai: On confidence sequences, Annals of Statistics 1976. With t the t
statistic of n differences and ν = n − 1,

    E(n; g) = (1 + n g)^(−1/2) · [(1 + t²/ν) / (1 + t²/(ν (1 + n g)))]^((ν + 1)/2)

is expected to be 1 at the most where there is no difference, however long one goes on; so is its mean over several g.
Hence (Ville) it ever reaches 1/α with probability α at most: 1 / (the largest E so far) is a p-value at every look.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

from scipy import optimize

SPREADS = (0.25, 4.0, 64.0)
"""g: how large a difference is expected, as a variance in units of that of one block. Three together lose little
against the one that would have fitted."""
FIRST_LOOK = 3
"""Blocks at the first look. Two cannot tell a difference from scatter."""
LARGEST_T = 1e9


def looks(differences: Sequence[float]) -> Iterator[tuple[int, float, float]]:
    """(n, mean, standard deviation) after each block from the second on; `differences` are in the order of the blocks.

    Welford's recurrence, which mirrors exactly where every difference changes its sign.
    """
    mean = squares = 0.0
    for n, value in enumerate(differences, 1):
        off = value - mean
        mean += off / n
        squares += off * (value - mean)
        if n > 1:
            yield n, mean, math.sqrt(max(0.0, squares) / (n - 1))


def log_e(n: int, t: float) -> float:
    """log of E after `n` ≥ 2 blocks whose t statistic is `t`."""
    square, freedom = t * t, n - 1
    parts = [
        -0.5 * math.log1p(n * g) + n / 2 * (math.log1p(square / freedom) - math.log1p(square / (freedom * (1 + n * g))))
        for g in SPREADS
    ]
    largest = max(parts)
    return largest + math.log(sum(math.exp(part - largest) for part in parts) / len(parts))


def p_value(differences: Sequence[float]) -> float:
    """1 / (the largest E at any look so far), 1 at the most."""
    found = 0.0
    for n, mean, sd in looks(differences):
        if n >= FIRST_LOOK:
            found = max(found, log_e(n, _t(n, mean, sd)))
    return math.exp(-found)


def half_width(n: int, sd: float, alpha: float) -> float:
    """Half the confidence sequence after `n` blocks: all means that the E of no look like this one refutes at `alpha`.

    Infinite where so few blocks can refute nothing at this level.
    """
    return _refuting_t(n, alpha) * sd / math.sqrt(n)


def blocks_until(mean: float, sd: float, alpha: float, most: int) -> int | None:
    """After how many blocks in all E reaches 1/alpha, were mean and scatter to stay as they are; None beyond `most`."""

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
    """The t statistic from which on E is 1/alpha or more: E grows with t."""

    def over(log_t: float) -> float:
        return log_e(n, math.exp(log_t)) + math.log(alpha)

    top = math.log(LARGEST_T)
    return math.inf if n < FIRST_LOOK or over(top) < 0 else math.exp(optimize.brentq(over, -20.0, top))
