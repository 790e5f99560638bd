"""The looks that an adaptive run takes at its own records: where the interval is widest, and what is hopeless."""

import math
from collections.abc import Callable, Collection, Iterator

from method import stopping
from method.schedule import Replicate
from method.statistic import seconds
from runners.harness.case import Competitor
from runners.harness.record import Record, Status
from runners.harness.run import Run, Stopping

Levels = dict[Competitor, dict[int, float]]


class Looks:
    """Learns the compared statistic of every record; knows widths, and by design never who is ahead."""

    def __init__(self, run: Run) -> None:
        self._levels: list[Levels] = [{one: {} for one in planned.competitors} for planned in run.cases]
        self._told: set[int] = set()

    def observe(self, replicate: Replicate, record: Record) -> None:
        """Take in a record; one that no report could use says nothing here either."""
        if record.status is not Status.OK or record.samples is None:
            return
        try:
            level = math.log(seconds(record))
        except (ValueError, KeyError, ArithmeticError):
            return
        if math.isfinite(level):
            self._levels[replicate.case][replicate.competitor][replicate.block] = level

    def next_case(self, run: Run, rule: Stopping, closed: Collection[int]) -> int | None:
        """The index of the case that gets the next blocks, or None when none is to; `closed` ones get no more."""
        open_cases = [index for index in range(len(self._levels)) if index not in closed]
        chosen = stopping.next_case([self._progress(run, index) for index in open_cases], rule)
        return None if chosen is None else open_cases[chosen]

    def too_noisy(self, run: Run, rule: Stopping, affordable: Callable[[int], int | None]) -> Iterator[str]:
        """A sentence for each case, once, that its first look shows to be out of reach of the target width."""
        for index, planned in enumerate(run.cases):
            if index in run.extensions:
                continue
            more = affordable(index)
            reach = None if more is None else run.blocks(index) + more
            needed = stopping.too_noisy(self._progress(run, index), rule, reach)
            if needed is not None and index not in self._told:
                self._told.add(index)
                target = f"±{100 * rule.half_width:g} %"
                yield f"{planned.case.label}: too noisy for {target} here; about {needed:,} blocks would be needed"

    def _progress(self, run: Run, index: int) -> stopping.Progress:
        return stopping.progress(run.blocks(index), self._levels[index])
