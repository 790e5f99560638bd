"""Which competitors of a case are compared with each other, and who is ahead."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from method.anytime import FIRST_LOOK
from runners.harness.case import Competitor

Levels = Mapping[Competitor, Mapping[int, float]]
"""By competitor and block: z, the log of what is compared."""


@dataclass(frozen=True)
class Pair:
    """Two competitors; `decides` marks the best against its runner-up: the case is won only there."""

    left: Competitor
    right: Competitor
    decides: bool = False


def compared(competitors: Sequence[Competitor], levels: Levels, baseline: Competitor | None = None) -> Iterator[Pair]:
    """The first competitor, or the `baseline`, with each other; best and runner-up with each other.

    Where programs run under aliases (A/A), each program only with itself.
    """
    programs: dict[Competitor, list[Competitor]] = {}
    for one in competitors:
        programs.setdefault(one.without_alias, []).append(one)
    if len(programs) < len(competitors):
        for aliases in programs.values():
            yield from (Pair(*pair) for pair in combinations(aliases, 2))
        return
    if len(competitors) < 2:
        return
    reference = baseline or competitors[0]
    ranking = ranked({one: levels.get(one, {}) for one in competitors})
    decisive = set(ranking[:2]) if len(ranking) > 1 else set()
    for other in competitors:
        if other != reference:
            yield Pair(reference, other, {reference, other} == decisive)
    if decisive and reference not in decisive:
        yield Pair(ranking[1], ranking[0], True)


def most_compared(competitors: Sequence[Competitor]) -> int:
    """How many comparisons a case with these competitors can come to."""
    count = len(competitors)
    different = len({one.without_alias for one in competitors})
    return sum(1 for _ in compared(competitors, {})) + (different == count and count > 2)


def ranked(levels: Levels) -> list[Competitor]:
    """Those with data, fastest first, over the blocks all of them finished (over their own where there is none).

    Where two or more have enough blocks for a verdict, the others are left out: one that failed early would shrink the
    ranking to the few blocks that it finished.
    """
    with_data = [one for one in levels if levels[one]]
    enough = [one for one in with_data if len(levels[one]) >= FIRST_LOOK]
    rivals = enough if len(enough) > 1 else with_data
    shared = shared_blocks([levels[one] for one in rivals])

    def level(one: Competitor) -> float:
        blocks = shared or sorted(levels[one])
        return math.fsum(levels[one][number] for number in blocks) / len(blocks)

    return sorted(rivals, key=lambda one: (level(one), one))


def shared_blocks(levels: Sequence[Mapping[int, float]]) -> list[int]:
    """The blocks that all of them finished."""
    return sorted(set.intersection(*map(set, levels))) if levels else []
