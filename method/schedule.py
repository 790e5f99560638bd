"""The order of a run, which its seed rebuilds.

The competitors of a case run back to back in blocks, so that a machine's drift affects all of them alike. With two
competitors, a coin picks AB or BA, and the next block is the mirror. With more competitors, the blocks follow random
cyclic Latin squares, so that every competitor takes every place equally often. The cases are shuffled in each round.
Every shuffle starts from sorted names, so that the records alone, without the plan, rebuild the order.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from runners.harness.case import Competitor
from runners.harness.run import Run

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """A case in the schedule: its key, its competitors and its planned number of blocks."""

    key: str
    competitors: Sequence[Competitor]
    blocks: int


@dataclass(frozen=True)
class Replicate:
    """One fresh process: its place in the run, its case, its block, and its place in the block."""

    sequence: int
    case: int
    block: int
    position: int
    competitor: Competitor

    @property
    def record_id(self) -> str:
        """The record's name, which stays the same if the run is resumed."""
        return f"c{self.case:03d}-b{self.block:03d}-{slug(self.competitor)}"


def schedule(cases: Sequence[Entry], seed: int, extensions: Sequence[int] = (), every: int = 0) -> list[Replicate]:
    """The replicates of a run in their order.

    First come rounds with one block of each case. Then each entry of `extensions`, the index of a case, adds `every`
    more blocks of that case. So a longer list of extensions only adds replicates at the end.
    """
    places: list[tuple[int, int]] = []
    for block in range(max((case.blocks for case in cases), default=0)):
        due = [index for index, case in enumerate(cases) if block < case.blocks]
        due.sort(key=lambda index: cases[index].key)
        places += [(index, block) for index in _shuffled(due, f"{seed}/round {block}")]
    reached = [case.blocks for case in cases]
    for index in extensions:
        places += [(index, reached[index] + added) for added in range(every)]
        reached[index] += every
    replicates: list[Replicate] = []
    for index, block in places:
        for position, competitor in enumerate(block_order(cases[index].competitors, seed, cases[index].key, block)):
            replicates.append(Replicate(len(replicates), index, block, position, competitor))
    return replicates


def run_schedule(run: Run) -> list[Replicate]:
    """The schedule of a run so far."""
    entries = [Entry(case.case.key, case.competitors, case.blocks) for case in run.cases]
    return schedule(entries, run.order_seed, run.extensions, run.stopping.every if run.stopping else 0)


def block_order(competitors: Sequence[Competitor], seed: int, case: str, block: int) -> list[Competitor]:
    """The order of the competitors in a block. `case` is the case's key."""
    count = len(competitors)
    if count < 2:
        return list(competitors)
    square, row = divmod(block, count)
    first = _shuffled(sorted(competitors), f"{seed}/{case}/square {square}")
    if count == 2:
        return first if row == 0 else first[::-1]
    shift = _shuffled(list(range(count)), f"{seed}/{case}/rows {square}")[row]
    return first[shift:] + first[:shift]


def slug(competitor: Competitor) -> str:
    """The competitor's name in a form that fits into a file name."""
    parts = (competitor.program, competitor.loader, competitor.variant, competitor.alias)
    return ".".join(re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in parts if part)


def _shuffled(values: list[T], seed: str) -> list[T]:
    random.Random(seed).shuffle(values)
    return values
