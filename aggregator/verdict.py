"""What may be said of a comparison. The table of docs/method.md, in its order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

from aggregator.compare import Paired, blocks_needed

SMALLEST_DIFFERENCE = 0.02
"""δ: a smaller difference does not matter."""
ALPHA = 0.05
FEWEST_BLOCKS = 8
MOST_UNSTEADY = 0.25
DELTA = math.log1p(SMALLEST_DIFFERENCE)


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


@dataclass(frozen=True)
class Judged:
    """A verdict with the p-value it rests on (Holm-adjusted) and, where it is open, how many blocks are missing."""

    verdict: Verdict
    p_holm: float | None = None
    more_blocks: int | None = None


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
    """Verdicts over all comparisons of one report together: the more questions, the stronger each answer must be."""
    if not tested:
        return []
    adjusted = multipletests([_p(paired) for paired in tested], alpha=ALPHA, method="holm")[1]
    return [_judge(paired, float(p_holm)) for paired, p_holm in zip(tested, adjusted, strict=True)]


def doubted_by_permutation(paired: Paired) -> bool:
    """The two tests fall on opposite sides of α, by more than a factor of two on either side or between."""
    if paired.p is None or paired.p_permutation is None or paired.n < FEWEST_BLOCKS:
        return False
    low, high = sorted((paired.p, paired.p_permutation))
    return low < ALPHA and high > 2 * ALPHA


def _judge(paired: Paired, p_holm: float) -> Judged:
    if p_holm < ALPHA and abs(paired.log_ratio) >= DELTA:
        return Judged(Verdict.FASTER if paired.log_ratio < 0 else Verdict.SLOWER, p_holm)
    if paired.low is not None and paired.high is not None and paired.low > -DELTA and paired.high < DELTA:
        return Judged(Verdict.EQUIVALENT, p_holm)
    needed = blocks_needed(paired.sd or 0.0, DELTA) - paired.n
    return Judged(Verdict.INCONCLUSIVE, p_holm, needed if needed > 0 else None)


def _p(paired: Paired) -> float:
    return 1.0 if paired.p is None else paired.p
