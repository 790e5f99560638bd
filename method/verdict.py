"""What may be said of a comparison. The table of docs/method.md, in its order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

from method import anytime
from method.compare import ALPHA, ANYTIME_ALPHA, Paired, blocks_until_narrower, blocks_until_significant

SMALLEST_DIFFERENCE = 0.02
"""δ: a smaller difference does not matter."""
FEWEST_BLOCKS = anytime.FIRST_LOOK
"""With fewer there is no verdict."""
FEWEST_SIGNS = 8
"""From so many blocks on the sign-flip test can find anything: 2 / 2⁸ is below 0.05 by a margin."""
MOST_DISTURBED = 0.25
"""The share of a side's replicates for which the machine may have been another one."""
DELTA = math.log1p(SMALLEST_DIFFERENCE)
MOST_BLOCKS = 1000
"""Nobody runs more: beyond this, a number of blocks is no advice."""


class Verdict(StrEnum):
    """The whole vocabulary; `faster` and `slower` say how B did against A."""

    FASTER = "faster"
    SLOWER = "slower"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    DISTURBED = "disturbed"
    NOT_COMPARABLE = "not comparable"
    FEW_BLOCKS = "no verdict"
    INCOMPLETE = "incomplete"


class Obstacle(StrEnum):
    """What keeps a comparison open however many blocks are run."""

    NEAR = "too near the smallest difference that matters"
    NOISE = "too much scatter"
    DRIFT = "a drift that more blocks do not take away"


@dataclass(frozen=True)
class Judged:
    """A verdict with the p-value it rests on (Holm-adjusted) and, where it is open, what would settle it."""

    verdict: Verdict
    p_holm: float | None = None
    missing: int | Obstacle | None = None


def before_testing(paired: Paired | None, incomparable: bool, disturbed: bool) -> Verdict | None:
    """The verdict where no test may be made, else None. No winner comes from such data."""
    if incomparable:
        return Verdict.NOT_COMPARABLE
    if disturbed:
        return Verdict.DISTURBED
    if paired is None:
        return Verdict.INCOMPLETE
    return Verdict.FEW_BLOCKS if paired.n < FEWEST_BLOCKS else None


def judge_all(tested: Sequence[Paired]) -> list[Judged]:
    """Verdicts over all comparisons of one report together: the more questions, the stronger each answer must be."""
    if not tested:
        return []
    adjusted = multipletests([1.0 if found.p is None else found.p for found in tested], alpha=ALPHA, method="holm")[1]
    return [_judge(paired, float(p_holm), len(tested)) for paired, p_holm in zip(tested, adjusted, strict=True)]


def is_named(paired: Paired, p: float) -> bool:
    """Whether a winner may be named at this (adjusted) p: the difference matters, and the interval leaves 1 out.

    The interval is asked too, since drift may have widened it, and since the anytime p is that of the best look.
    """
    apart = paired.low is not None and paired.high is not None and (paired.low > 0 or paired.high < 0)
    return p < ALPHA and apart and abs(paired.log_ratio) >= DELTA


def missing(paired: Paired, comparisons: int) -> int | Obstacle:
    """About how many more blocks settle an open comparison, were its mean and scatter to stay as they are.

    A mean below δ can only become `equivalent`, by an interval inside ±δ. One beyond can only become a winner's, by a
    test below its level divided by the number of comparisons: what Holm asks of the smallest p, and so never too
    little. Where the number of blocks was fixed, they are those of a new run; else more of this one.
    """
    fixed = paired.design.fixed
    mean, sd = abs(paired.log_ratio), paired.sd or 0.0
    if mean >= DELTA:
        if paired.widened >= mean:
            return Obstacle.DRIFT
        test = blocks_until_significant if fixed else _blocks_until_refuted
        needed = test(sd, mean, (ALPHA if fixed else ANYTIME_ALPHA) / comparisons, MOST_BLOCKS)
        return Obstacle.NOISE if needed is None else max(1, needed - paired.n)
    needed = _blocks_until_within(sd, DELTA - mean, fixed)
    if needed is None:
        return Obstacle.NOISE if _blocks_until_within(sd, DELTA, fixed) is None else Obstacle.NEAR
    return max(1, needed - paired.n)


def _blocks_until_refuted(sd: float, mean: float, alpha: float, most: int) -> int | None:
    return anytime.blocks_until(mean, sd, alpha, most)


def _blocks_until_within(sd: float, width: float, fixed: bool) -> int | None:
    if fixed:
        return blocks_until_narrower(sd, width, MOST_BLOCKS)
    return blocks_until_narrower(sd, width, MOST_BLOCKS, ANYTIME_ALPHA, anytime.half_width)


def doubted_by_permutation(paired: Paired) -> bool:
    """One test finds a difference (p < α) that the other does not even nearly find (p > 2α), both before Holm.

    No stricter level can be asked of the sign-flip test: with 8 blocks its smallest p is 2/256, which a correction for
    more than six comparisons would lift above 0.05.
    """
    if paired.p_t is None or paired.p_permutation is None or paired.n < FEWEST_SIGNS:
        return False
    low, high = sorted((paired.p_t, paired.p_permutation))
    return low < ALPHA and high > 2 * ALPHA


def _judge(paired: Paired, p_holm: float, comparisons: int) -> Judged:
    if is_named(paired, p_holm):
        return Judged(Verdict.FASTER if paired.log_ratio < 0 else Verdict.SLOWER, p_holm)
    if paired.low is not None and paired.high is not None and paired.low > -DELTA and paired.high < DELTA:
        return Judged(Verdict.EQUIVALENT, p_holm)
    return Judged(Verdict.UNDECIDED, p_holm, missing(paired, comparisons))
