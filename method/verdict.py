"""What may be said of a comparison. The table of docs/method.md, in its order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

from method.compare import FIXED_ALPHA, Paired, blocks_until_narrower, blocks_until_significant

SMALLEST_DIFFERENCE = 0.02
"""δ: a smaller difference does not matter."""
ALPHA = FIXED_ALPHA
"""The level of a whole report: how often it may call any two equals different."""
FEWEST_BLOCKS = 8
MOST_UNSTEADY = 0.25
DELTA = math.log1p(SMALLEST_DIFFERENCE)
MOST_BLOCKS = 1000
"""Nobody runs more: beyond this, a number of blocks is no advice."""


class Verdict(StrEnum):
    """The whole vocabulary; `faster` and `slower` say how B did against A."""

    FASTER = "faster"
    SLOWER = "slower"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    UNSTABLE = "unstable"
    NOT_COMPARABLE = "not comparable"
    FEW_BLOCKS = "no verdict"
    INCOMPLETE = "incomplete"


class Obstacle(StrEnum):
    """What keeps a comparison open however many blocks are run."""

    NEAR = "too near the smallest difference that matters"
    NOISE = "too much scatter"


@dataclass(frozen=True)
class Judged:
    """A verdict with the p-value it rests on (Holm-adjusted) and, where it is open, what would settle it."""

    verdict: Verdict
    p_holm: float | None = None
    missing: int | Obstacle | None = None


def before_testing(paired: Paired | None, incomparable: bool, unstable: bool) -> Verdict | None:
    """The verdict where no test may be made, else None. No winner comes from such data."""
    if incomparable:
        return Verdict.NOT_COMPARABLE
    if unstable:
        return Verdict.UNSTABLE
    if paired is None:
        return Verdict.INCOMPLETE
    return Verdict.FEW_BLOCKS if paired.n < FEWEST_BLOCKS else None


def judge_all(tested: Sequence[Paired]) -> list[Judged]:
    """Verdicts over all comparisons of one report together: the more questions, the stronger each answer must be.

    A comparison of an adaptive run has a stricter level of its own. Its p is raised by as much (ALPHA / its level), so
    that one Holm adjustment spans the report and a lone p falls below ALPHA exactly where it is below its own level.
    That level is measured at 0.05. At the far smaller ones that Holm asks among forty, a case whose scatter lets it
    reach its target only with the last blocks is called different up to 1.5 times as often as it should be, most
    others less often (benchmarks/false_verdicts.py).
    """
    if not tested:
        return []
    raised = [1.0 if found.p is None else min(1.0, found.p * ALPHA / found.alpha) for found in tested]
    adjusted = multipletests(raised, alpha=ALPHA, method="holm")[1]
    return [_judge(paired, float(p_holm), len(tested)) for paired, p_holm in zip(tested, adjusted, strict=True)]


def missing(paired: Paired, comparisons: int) -> int | Obstacle:
    """About how many more blocks settle an open comparison, were its mean and scatter to stay as they are.

    A mean below δ can only become `equivalent`, by an interval inside ±δ. One beyond can only become a winner's, by
    a t test below its level divided by the number of comparisons: what Holm asks of the smallest p, and so never too
    little.
    """
    mean, sd = abs(paired.log_ratio), paired.sd or 0.0
    if mean >= DELTA:
        needed = blocks_until_significant(sd, mean, paired.alpha / comparisons, MOST_BLOCKS)
        return Obstacle.NOISE if needed is None else max(1, needed - paired.n)
    needed = blocks_until_narrower(sd, DELTA - mean, MOST_BLOCKS, paired.alpha)
    if needed is None:
        centred = blocks_until_narrower(sd, DELTA, MOST_BLOCKS, paired.alpha)
        return Obstacle.NOISE if centred is None else Obstacle.NEAR
    return max(1, needed - paired.n)


def doubted_by_permutation(paired: Paired) -> bool:
    """One test finds a difference (p < α) that the other does not even nearly find (p > 2α), both before Holm.

    No stricter level can be asked of the sign-flip test: with 8 blocks its smallest p is 2/256, which a correction for
    more than six comparisons would lift above 0.05.
    """
    if paired.p is None or paired.p_permutation is None or paired.n < FEWEST_BLOCKS:
        return False
    low, high = sorted((paired.p, paired.p_permutation))
    return low < paired.alpha and high > 2 * paired.alpha


def _judge(paired: Paired, p_holm: float, comparisons: int) -> Judged:
    if p_holm < ALPHA and abs(paired.log_ratio) >= DELTA:
        return Judged(Verdict.FASTER if paired.log_ratio < 0 else Verdict.SLOWER, p_holm)
    if paired.low is not None and paired.high is not None and paired.low > -DELTA and paired.high < DELTA:
        return Judged(Verdict.EQUIVALENT, p_holm)
    return Judged(Verdict.INCONCLUSIVE, p_holm, missing(paired, comparisons))
