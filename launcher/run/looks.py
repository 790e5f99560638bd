"""Keeps what the records of a run have shown so far, for method/stopping.py to decide about each case."""

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
        """Take in a record. Records that a report cannot use are left out here too."""
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

    def open_cases(self, run: Run, closed: Collection[int]) -> list[int]:
        """The indexes of the cases that may get further blocks, in this order. A case in `closed` gets none."""
        assert run.stopping is not None
        going_on = [index for index in range(len(self._found)) if index not in closed]
        found = [self.standing(run, index) for index in going_on]
        due = stopping.next_cases(found, run.stopping, bool(run.continued), len(found))
        return [going_on[place] for place in due]
