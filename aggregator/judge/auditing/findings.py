"""The result of one check of an audit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aggregator.base.text import clean
from aggregator.read.run_folder import LoadedRun
from runners.harness.case import Case, Competitor
from runners.harness.record import LOST, Record, Status

Slot = tuple[Case, int, Competitor]
"""A case, a block of it, a competitor."""
SHOWN = 5
"""So many problems of a check are printed; the others are counted."""


@dataclass(frozen=True)
class Finding:
    """A check: its problems or, if there are none, what was seen; `skipped` if there was nothing to check."""

    name: str
    problems: Sequence[str]
    seen: str = ""
    skipped: bool = False

    @property
    def failed(self) -> bool:
        """Whether the run broke this rule."""
        return bool(self.problems)

    def lines(self) -> list[str]:
        """A line with the outcome, then one for each of the first problems."""
        if not self.failed:
            return [f"{'–' if self.skipped else 'ok':<6}  {self.name}: {clean(self.seen, 300)}"]
        more = len(self.problems) - SHOWN
        shown = [f"        {clean(text, 300)}" for text in self.problems[:SHOWN]]
        return [f"FAILED  {self.name}", *shown, *([f"        and {more} more"] if more > 0 else [])]


def slot(record: Record) -> Slot:
    """What one replicate fills."""
    return record.case, record.block.number, record.competitor


def named(filled: Slot) -> str:
    """Case, block and competitor of a replicate, for a sentence."""
    case, block, competitor = filled
    return f"{case.label}, block {block}, {competitor.label}"


def place(record: Record) -> str:
    """The same of a record."""
    return named(slot(record))


def by_case(records: Iterable[Record]) -> dict[Case, list[Record]]:
    """The records of each case, in their order."""
    found: dict[Case, list[Record]] = {}
    for record in records:
        found.setdefault(record.case, []).append(record)
    return found


def excused(run: LoadedRun) -> set[tuple[Case, Competitor]]:
    """The competitors that cannot run a case, by the plan."""
    return {
        (planned.case, one.competitor)
        for planned in (run.plan.cases if run.plan else ())
        for one in planned.unavailable
    }


def failed_at_first(case_records: Iterable[Record], competitor: Competitor) -> bool:
    """Whether the competitor's first attempt at the case failed: a run then does not try it again.

    A run tries again after a later failure, and after a replicate that was lost with its engine.
    """
    own = [record for record in case_records if record.competitor == competitor]
    first = min(own, key=lambda record: record.block.number, default=None)
    lost = first is not None and first.error is not None and first.error.kind == LOST
    return first is not None and first.status is not Status.OK and not lost
