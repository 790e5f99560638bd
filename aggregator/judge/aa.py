"""A/A: one program under two labels. How often a difference is found, and whether an injected slowdown is found.

The bound is the largest number of false findings that a rate of 5 % explains, at the 95 % quantile of the binomial
distribution: 4 of 40, 9 of 100. Each interval that excludes 1 counts, without adjustment: Holm's adjustment over many
comparisons would hide what this check looks for.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
from scipy import stats

from aggregator.judge.analysis import Comparison, Environment
from method.compare import ALPHA
from method.verdict import SMALLEST_DIFFERENCE, Verdict

QUANTILE = 0.95
COVERED, NAMED = 0.90, 0.80
"""How often an interval must contain an injected slowdown, and how often a narrow one must name the slower side."""
ENOUGH = 40
"""With fewer comparisons, a machine that finds false differences too often may stay within the bound."""


@dataclass(frozen=True)
class Same:
    """Comparisons of a program with itself: how many have a winner, and how many intervals exclude 1."""

    compared: int
    named: int
    apart: int

    @property
    def bound(self) -> int:
        """The largest number of intervals apart that is not suspicious."""
        return int(stats.binom.ppf(QUANTILE, self.compared, ALPHA))

    @property
    def passes(self) -> bool:
        """Neither count is beyond the bound."""
        return max(self.named, self.apart) <= self.bound


@dataclass(frozen=True)
class Slowed:
    """Comparisons with a side slowed down by `factor`; `narrow` ones have half of the interval within δ."""

    factor: float
    compared: int
    covered: int
    named: int
    narrow: int
    narrow_named: int

    @property
    def passes(self) -> bool:
        """Neither share is below the required share by more than chance explains."""
        covered = _may_be(self.covered, self.compared, COVERED)
        return covered and _may_be(self.narrow_named, self.narrow, NAMED)


@dataclass(frozen=True)
class SelfCheck:
    """The result of the A/A comparisons of some runs; `left_out` have no interval, or the sides did different work."""

    same: Same
    slowed: tuple[Slowed, ...]
    left_out: int

    @property
    def passes(self) -> bool:
        """Whether this machine finds false differences no more often than chance explains, and finds a slowdown."""
        found = bool(self.same.compared or self.slowed)
        return found and self.same.passes and all(one.passes for one in self.slowed)


def summarise(environments: Iterable[Environment]) -> SelfCheck | None:
    """The A/A comparisons among all, or None where there is none."""
    every = [found for env in environments for case in env.cases for found in case.comparisons if found.is_self]
    if not every:
        return None
    usable = pd.DataFrame([seen for found in every if (seen := _seen(found))], columns=Seen._fields)
    plain = usable[usable["factor"] == 1]
    same = Same(len(plain), int(plain["won"].sum()), int((~plain["covered"]).sum()))
    slowed = []
    for _, members in usable[usable["factor"] != 1].groupby("factor"):
        narrow = members[members["narrow"]]
        counts = members["covered"].sum(), members["named"].sum(), len(narrow), narrow["named"].sum()
        slowed.append(Slowed(members["factor"].iloc[0], len(members), *map(int, counts)))
    return SelfCheck(same, tuple(slowed), len(every) - len(usable))


class Seen(NamedTuple):
    """What one comparison shows.

    `factor` is the slowdown between the two sides, never below 1; 1 if none was injected. It has a winner (`won`), and
    the winner is the side that was slowed down less (`named`). Its interval contains the true ratio (`covered`), and
    half of the interval is within δ (`narrow`).
    """

    factor: float
    won: bool
    named: bool
    covered: bool
    narrow: bool


def _seen(found: Comparison) -> Seen | None:
    """None without an interval, or if the sides did different work."""
    pair = found.paired
    if pair is None or pair.low is None or pair.high is None or found.verdict is Verdict.NOT_COMPARABLE:
        return None
    quick, slow = sorted((found.left, found.right), key=lambda side: side.slowdown)
    return Seen(
        factor=slow.slowdown / quick.slowdown,
        won=found.winner is not None,
        named=found.winner is quick,
        covered=pair.low <= math.log(found.right.slowdown / found.left.slowdown) <= pair.high,
        narrow=(pair.high - pair.low) / 2 <= math.log1p(SMALLEST_DIFFERENCE),
    )


def rate_interval(number: int, of: int) -> tuple[float, float]:
    """The exact 95 % interval of a rate (Clopper & Pearson 1934)."""
    interval = stats.binomtest(number, of).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)


def _may_be(number: int, of: int, share: float) -> bool:
    """Whether so many are not too few for this share, at the 5 % level."""
    return of == 0 or float(stats.binomtest(number, of, share, alternative="less").pvalue) >= 1 - QUANTILE
