"""The verdict of a comparison: the table of docs/method.md, in its order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

from method import anytime
from method.compare import ALPHA, ANYTIME_ALPHA, Paired, blocks_until_narrower, blocks_until_significant

SMALLEST_DIFFERENCE = 0.02
"""δ: smaller differences do not matter."""
FEWEST_BLOCKS = anytime.FIRST_LOOK
"""The fewest blocks for a verdict."""
FEWEST_SIGNS = 8
"""The fewest blocks for the sign-flip test: 2 / 2⁸ is well below 0.05."""
MOST_DISTURBED = 0.25
"""The largest share of disturbed replicates of a side."""
DELTA = math.log1p(SMALLEST_DIFFERENCE)
MOST_BLOCKS = 1000
"""The largest number of blocks to advise; nobody runs more."""


class Verdict(StrEnum):
    """All verdicts. `faster` and `slower` say how B compares with A."""

    FASTER = "faster"
    SLOWER = "slower"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    DISTURBED = "disturbed"
    NOT_COMPARABLE = "not comparable"
    FEW_BLOCKS = "no verdict"
    INCOMPLETE = "incomplete"


class Obstacle(StrEnum):
    """Why a comparison stays open for any number of blocks."""

    NEAR = "too near the smallest difference that matters"
    NOISE = "too much scatter"
    DRIFT = "a drift that more blocks do not take away"


@dataclass(frozen=True)
class Judged:
    """A verdict with its Holm-adjusted p-value. For an undecided comparison, `missing` says what would settle it."""

    verdict: Verdict
    p_holm: float | None = None
    missing: int | Obstacle | None = None


def before_testing(paired: Paired | None, incomparable: bool, disturbed: bool) -> Verdict | None:
    """The verdict of a comparison that must not be tested; None if it may be tested."""
    if incomparable:
        return Verdict.NOT_COMPARABLE
    if disturbed:
        return Verdict.DISTURBED
    if paired is None:
        return Verdict.INCOMPLETE
    return Verdict.FEW_BLOCKS if paired.n < FEWEST_BLOCKS else None


def judge_all(tested: Sequence[Paired]) -> list[Judged]:
    """The verdicts of all comparisons of a report together, with Holm's correction."""
    if not tested:
        return []
    adjusted = multipletests([1.0 if pair.p is None else pair.p for pair in tested], alpha=ALPHA, method="holm")[1]
    return [_judge(paired, float(p_holm), len(tested)) for paired, p_holm in zip(tested, adjusted, strict=True)]


def is_named(paired: Paired, p: float) -> bool:
    """Whether a winner may be named at this adjusted p: the interval excludes 1, and the difference is at least δ.

    p alone is not enough: drift may have widened the interval, and the anytime p comes from the best look so far.
    """
    excludes_one = paired.low is not None and paired.high is not None and (paired.low > 0 or paired.high < 0)
    return p < ALPHA and excludes_one and abs(paired.log_ratio) >= DELTA


def missing(paired: Paired, comparisons: int) -> int | Obstacle:
    """About how many more blocks settle an open comparison if its mean and scatter stay as they are.

    A mean below δ can only become `equivalent`, with an interval inside ±δ. A mean above δ can only become a winner,
    with a p below the level divided by the number of comparisons. Holm demands this of the smallest p, so the estimate
    is never too low. If the number of blocks was fixed, the estimate is for a new run, else for this run.
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
    """Whether one of t test and sign-flip test finds a difference (p < α) and the other clearly does not (p > 2α).

    Both p are taken before Holm's correction. With 8 blocks the smallest p of the sign-flip test is 2/256; a correction
    for more than six comparisons would lift it above 0.05.
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
