"""When an adaptive run has enough blocks of a case: on the width of its intervals, never on where they lie.

Stopping because an interval left 1 finds far too many differences: every look is another chance (Armitage, McPherson,
Rowe: Repeated significance tests on accumulating data, JRSS A 1969). Stopping once it is narrow does not look at the
answer (Chow, Robbins: On the asymptotic theory of fixed-width sequential confidence intervals, Ann. Math. Statist.
1965); what it still distorts with few blocks, ADAPTIVE_ALPHA pays for. The launcher asks while it measures, an audit
asks again from the records.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from scipy import stats

from method.compare import ADAPTIVE_ALPHA, blocks_until_narrower, half_width
from method.verdict import FEWEST_BLOCKS
from runners.harness.case import Competitor
from runners.harness.run import Stopping

CERTAINTY = 0.95
"""How sure it must be that a case is too noisy before it has to wait for the others."""
COUNTLESS = 1_000_000
"""The largest number of blocks ever named."""


@dataclass(frozen=True)
class Progress:
    """Where a case stands after `blocks` blocks, whatever became of them.

    `half_width` (of the logarithm) and `sd` are those of the two competitors whose interval is the widest, from the
    `shared` blocks in which both are ok; None where no two competitors can be compared.
    """

    blocks: int
    shared: int = 0
    half_width: float | None = None
    sd: float | None = None


def progress(blocks: int, logs: Mapping[Competitor, Mapping[int, float]], alpha: float = ADAPTIVE_ALPHA) -> Progress:
    """Where a case stands, from z of each ok replicate by competitor and block.

    Two competitors that share fewer than half of the blocks are left out: one of them fails, and more blocks would
    show no more than that. Of the others, two that still share too few for a verdict count as the widest.
    """
    found = []
    for left, right in combinations(sorted(logs), 2):
        differences = [logs[right][block] - z for block, z in logs[left].items() if block in logs[right]]
        n = len(differences)
        if n >= max(2, blocks / 2):
            sd = float(np.std(differences, ddof=1))
            found.append(Progress(blocks, n, half_width(n, sd, alpha), sd))
    return max(found, key=_distance, default=Progress(blocks))


def next_case(states: Sequence[Progress], rule: Stopping) -> int | None:
    """The index of the case that gets the next `every` blocks: the one furthest from the target; None when done.

    Cases too noisy to reach the target get what is left after all others.
    """
    due = [index for index, state in enumerate(states) if _open(state, rule)]
    return max(due, key=lambda index: (too_noisy(states[index], rule) is None, _distance(states[index])), default=None)


def too_noisy(state: Progress, rule: Stopping, affordable: int | None = None) -> int | None:
    """About how many blocks the target would take, where it is out of reach; else None.

    Out of reach is what takes more than `most_blocks`, or than the `affordable` blocks that the case can have in all
    within the time left, even at the least scatter that is likely (the chi-square bound: 8 blocks alone overstate
    scatter by 40 % in one case of twenty).
    """
    if state.sd is None or not _open(state, rule):
        return None
    reach = rule.most_blocks if affordable is None else min(rule.most_blocks, max(state.blocks, affordable))
    likely = state.sd * _least(state.shared)
    target = math.log1p(rule.half_width)
    if blocks_until_narrower(likely, target, reach, ADAPTIVE_ALPHA) is not None:
        return None
    return blocks_until_narrower(state.sd, target, COUNTLESS, ADAPTIVE_ALPHA) or COUNTLESS


@cache
def _least(n: int) -> float:
    """What part of the scatter seen in `n` values the true one has at least."""
    return math.sqrt((n - 1) / float(stats.chi2.ppf(CERTAINTY, n - 1)))


def _open(state: Progress, rule: Stopping) -> bool:
    """Further blocks are allowed, and two competitors wait for them."""
    if state.half_width is None or state.blocks + rule.every > rule.most_blocks:
        return False
    return state.shared < FEWEST_BLOCKS or state.half_width > math.log1p(rule.half_width)


def _distance(state: Progress) -> tuple[bool, float]:
    return state.shared < FEWEST_BLOCKS, state.half_width or 0.0
