"""Decides when a run has measured enough: by its time budget, and in an adaptive run by its answers."""

from collections.abc import Collection

from method import stopping
from method.schedule import Replicate
from method.statistic import Summary, summarise
from runners.harness.case import Competitor
from runners.harness.record import Record, Status
from runners.harness.run import Run


class Looks:
    """Learns from the records where each case of a run stands."""

    def __init__(self, run: Run) -> None:
        self._found: list[dict[Competitor, dict[int, Summary]]] = [{} for _ in run.cases]

    def observe(self, replicate: Replicate, record: Record) -> None:
        """Take in a record, unless a report could not use it either."""
        if record.status is not Status.OK or record.samples is None:
            return
        try:
            found = summarise(record)
        except (ValueError, KeyError, ArithmeticError):
            return
        if found.seconds > 0:
            self._found[replicate.case].setdefault(replicate.competitor, {})[replicate.block] = found

    def standing(self, run: Run, case: int) -> stopping.Standing:
        """Where the case with this index stands."""
        return stopping.of_case(run, case, self._found[case])

    def next_case(self, run: Run, closed: Collection[int]) -> int | None:
        """The index of the case that gets the next blocks, or None. A case in `closed` gets none."""
        assert run.stopping is not None
        open_cases = [index for index in range(len(self._found)) if index not in closed]
        found = [self.standing(run, index) for index in open_cases]
        place = stopping.next_case(found, run.stopping, bool(run.continued))
        return None if place is None else open_cases[place]


class Budget:
    """The time that a run may spend on replicates and pilots; a replicate that was cut off does not count.

    It bounds planned blocks only where it `cuts_planned`, else only the blocks that an adaptive run adds.
    """

    def __init__(self, total: float | None, spent: float = 0.0, cuts_planned: bool = True) -> None:
        self.total, self.spent, self.cuts_planned = total, spent, cuts_planned

    def spend(self, seconds: float) -> None:
        """A replicate took this long."""
        self.spent += seconds

    @property
    def left(self) -> float | None:
        """Seconds left; None where nothing bounds the run."""
        return None if self.total is None else max(0.0, self.total - self.spent)

    def allows(self, seconds: float) -> bool:
        """Whether there is room for so many seconds."""
        return self.left is None or seconds <= self.left
