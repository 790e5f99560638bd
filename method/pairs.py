"""Which competitors of a case are compared with each other, and which competitor is the fastest."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from method.anytime import FIRST_LOOK
from runners.harness.case import Competitor

Levels = Mapping[Competitor, Mapping[int, float]]
"""z, the log of the compared number, by competitor and block."""


@dataclass(frozen=True)
class Pair:
    """Two competitors. `decides` marks the fastest and its runner-up: their comparison decides who wins the case."""

    left: Competitor
    right: Competitor
    decides: bool = False


def compared(competitors: Sequence[Competitor], levels: Levels, baseline: Competitor | None = None) -> Iterator[Pair]:
    """The pairs of a case: the `baseline` (by default the first) with every other, and the fastest with its runner-up.

    In an A/A run, which has aliases, each program is compared only with itself.
    """
    programs: dict[Competitor, list[Competitor]] = {}
    for competitor in competitors:
        programs.setdefault(competitor.without_alias, []).append(competitor)
    if len(programs) < len(competitors):
        for aliases in programs.values():
            yield from (Pair(*pair) for pair in combinations(aliases, 2))
        return
    if len(competitors) < 2:
        return
    reference = baseline or competitors[0]
    ranking = ranked({competitor: levels.get(competitor, {}) for competitor in competitors})
    decisive = set(ranking[:2]) if len(ranking) > 1 else set()
    for other in competitors:
        if other != reference:
            yield Pair(reference, other, {reference, other} == decisive)
    if decisive and reference not in decisive:
        yield Pair(ranking[1], ranking[0], True)


def most_compared(competitors: Sequence[Competitor]) -> int:
    """The largest number of comparisons of a case with these competitors."""
    count = len(competitors)
    programs = len({competitor.without_alias for competitor in competitors})
    return sum(1 for _ in compared(competitors, {})) + (programs == count and count > 2)


def ranked(levels: Levels) -> list[Competitor]:
    """The competitors with data, fastest first, by their mean over the blocks that all of them finished.

    Without such a block, each competitor's own blocks count. If two or more competitors have enough blocks for a
    verdict, the others are left out: a competitor that failed early would shrink the ranking to its few blocks.
    """
    with_data = [competitor for competitor in levels if levels[competitor]]
    enough = [competitor for competitor in with_data if len(levels[competitor]) >= FIRST_LOOK]
    candidates = enough if len(enough) > 1 else with_data
    shared = shared_blocks([levels[competitor] for competitor in candidates])

    def level(competitor: Competitor) -> float:
        blocks = shared or sorted(levels[competitor])
        return math.fsum(levels[competitor][number] for number in blocks) / len(blocks)

    return sorted(candidates, key=lambda competitor: (level(competitor), competitor))


def shared_blocks(levels: Sequence[Mapping[int, object]]) -> list[int]:
    """The numbers of the blocks that all competitors finished."""
    return sorted(set.intersection(*map(set, levels))) if levels else []
