"""The order of a run, rebuilt from its seed alone.

Competitors of a case run back to back in blocks, so that what drifts on a machine hits all of them alike.
For two, a coin picks AB or BA and the next block is its mirror; for more, the blocks walk through random
cyclic Latin squares, so that everyone stands in every place equally often. Cases are shuffled each round.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from runners.harness.case import Competitor

T = TypeVar("T")


@dataclass(frozen=True)
class Replicate:
    """One fresh process: which case, which block of it, which place in the block, which place in the run."""

    sequence: int
    case: int
    block: int
    position: int
    competitor: Competitor

    @property
    def record_id(self) -> str:
        """The record's name: the same when the run is resumed."""
        return f"c{self.case:03d}-b{self.block:03d}-{_slug(self.competitor)}"


def schedule(cases: Sequence[tuple[Sequence[Competitor], int]], seed: int) -> list[Replicate]:
    """The replicates of a run in their order, for (competitors, number of blocks) of each case."""
    replicates: list[Replicate] = []
    for block in range(max((blocks for _, blocks in cases), default=0)):
        for case in _shuffled(
            [index for index, (_, blocks) in enumerate(cases) if block < blocks], f"{seed}/round {block}"
        ):
            for position, competitor in enumerate(block_order(cases[case][0], seed, case, block)):
                replicates.append(Replicate(len(replicates), case, block, position, competitor))
    return replicates


def block_order(competitors: Sequence[Competitor], seed: int, case: int, block: int) -> list[Competitor]:
    """The order of the competitors inside one block of one case."""
    count = len(competitors)
    if count < 2:
        return list(competitors)
    square, row = divmod(block, count)
    first = _shuffled(list(competitors), f"{seed}/case {case}/square {square}")
    if count == 2:
        return first if row == 0 else first[::-1]
    shift = _shuffled(list(range(count)), f"{seed}/case {case}/rows {square}")[row]
    return first[shift:] + first[:shift]


def _shuffled(values: list[T], seed: str) -> list[T]:
    random.Random(seed).shuffle(values)
    return values


def _slug(competitor: Competitor) -> str:
    parts = (competitor.framework, competitor.loader, competitor.variant)
    return ".".join(re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in parts if part)
