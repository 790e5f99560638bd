"""Which replicates to leave out: of a competitor that failed at first, or of a case whose competitors disagree."""

import dataclasses
from collections.abc import Collection, Sequence

from method.schedule import Replicate
from runners.harness.agreement import disagreement
from runners.harness.case import Case, Competitor
from runners.harness.record import LOST, Check, Record, Status
from runners.harness.run import NOT_TRIED, PlannedCase, Unavailable


class OutOfMemory:
    """Remembers the smallest batch at which a competitor ran out of memory, for each row.

    A row is the cases that differ in their batch alone. Both labels of an A/A run are one competitor.
    """

    def __init__(self) -> None:
        self._too_large: dict[tuple[Case, Competitor], int] = {}

    def observe(self, record: Record) -> None:
        """Take in a record."""
        if record.status is Status.OOM:
            row, batch = _row(record.case, record.competitor), record.case.batch_size
            self._too_large[row] = min(batch, self._too_large.get(row, batch))

    def refuses(self, case: Case, competitor: Competitor) -> Unavailable | None:
        """The reason not to start the competitor on the case, or None."""
        smallest = self._too_large.get(_row(case, competitor))
        if smallest is None or case.batch_size <= smallest:
            return None
        return Unavailable(competitor, NOT_TRIED, f"not tried ({smallest} ran out of memory)")


class Skipping:
    """Learns from the records, in the order of the schedule, which replicates to leave out."""

    def __init__(self, cases: Sequence[PlannedCase]) -> None:
        self.warnings: list[str] = []
        # The plan holds what the pilots or an earlier launcher found out.
        self.not_tried: dict[tuple[int, Competitor], Unavailable] = {
            (index, one.competitor): one
            for index, planned in enumerate(cases)
            for one in planned.unavailable
            if one.kind == NOT_TRIED
        }
        self._cases = cases
        self._seen: set[tuple[int, Competitor]] = set()
        self._failed: set[tuple[int, Competitor]] = set()
        self._checks: dict[int, dict[Competitor, Check]] = {}
        self._stopped_after: dict[int, int] = {}
        self._out_of_memory = OutOfMemory()

    @property
    def closed(self) -> Collection[int]:
        """The cases whose competitors disagree: they get no further blocks."""
        return self._stopped_after.keys()

    def skips(self, replicate: Replicate) -> bool:
        """Whether to leave the replicate out, which is about to start. Keeps the reason not to try it."""
        if not self._is_over(replicate) and (refused := self._refusal(replicate)):
            self.not_tried[replicate.case, replicate.competitor] = refused
        return self.will_skip(replicate)

    def will_skip(self, replicate: Replicate) -> bool:
        """Whether the replicate will be left out, by what is known now."""
        place = (replicate.case, replicate.competitor)
        return self._is_over(replicate) or place in self.not_tried or self._refusal(replicate) is not None

    def _is_over(self, replicate: Replicate) -> bool:
        """Whether its competitor failed at first, or its case gets no further blocks."""
        stopped_after = self._stopped_after.get(replicate.case, replicate.block)
        return (replicate.case, replicate.competitor) in self._failed or replicate.block > stopped_after

    def _refusal(self, replicate: Replicate) -> Unavailable | None:
        """The reason not to try it; None for a competitor that ran there, which is never "not tried"."""
        if (replicate.case, replicate.competitor) in self._seen:
            return None
        return self._out_of_memory.refuses(self._cases[replicate.case].case, replicate.competitor)

    def observe(self, replicate: Replicate, record: Record) -> None:
        """Take in a record."""
        place = (replicate.case, replicate.competitor)
        first = place not in self._seen
        self._seen.add(place)
        if record.status is not Status.OK:
            if first and not (record.error and record.error.kind == LOST):
                self._failed.add(place)
            self._out_of_memory.observe(record)
        elif record.check and replicate.case not in self._stopped_after:
            self._compare(replicate, record.check)

    def _compare(self, replicate: Replicate, check: Check) -> None:
        checks = self._checks.setdefault(replicate.case, {})
        if replicate.competitor in checks:
            return
        case = self._cases[replicate.case].case
        for other, theirs in checks.items():
            difference = _difference(theirs, check, case)
            if difference:
                self._stopped_after[replicate.case] = replicate.block
                names = f"{other.label} and {replicate.competitor.label}"
                self.warnings.append(f"{case.label}: {names} did not do the same work: {difference}; no further blocks")
                return
        checks[replicate.competitor] = check


def _difference(left: Check, right: Check, case: Case) -> str | None:
    try:
        return disagreement(left, right, case.precision, case.evidence)
    except (IndexError, KeyError) as error:
        return f"their checks cannot be compared ({type(error).__name__}: {error})"


def _row(case: Case, competitor: Competitor) -> tuple[Case, Competitor]:
    return dataclasses.replace(case, batch_size=0), dataclasses.replace(competitor, alias="")
