"""From which batch on a competitor runs out of memory: nothing larger of that row is started."""

import dataclasses

from runners.harness.case import Case, Competitor
from runners.harness.record import Record, Status
from runners.harness.run import Unavailable

NOT_TRIED = "NOT TRIED"


class Memory:
    """Learns from records. A row is cases that differ in their batch alone; both labels of an A/A run are one."""

    def __init__(self) -> None:
        self._too_large: dict[tuple[Case, Competitor], int] = {}

    def observe(self, record: Record) -> None:
        """Take in a record."""
        if record.status is Status.OOM:
            row, batch = _row(record.case, record.competitor), record.case.batch_size
            self._too_large[row] = min(batch, self._too_large.get(row, batch))

    def refuses(self, case: Case, competitor: Competitor) -> Unavailable | None:
        """Why the competitor is not to be started on the case; None where nothing speaks against it."""
        smallest = self._too_large.get(_row(case, competitor))
        if smallest is None or case.batch_size <= smallest:
            return None
        return Unavailable(competitor, NOT_TRIED, f"not tried ({smallest} ran out of memory)")


def _row(case: Case, competitor: Competitor) -> tuple[Case, Competitor]:
    return dataclasses.replace(case, batch_size=0), dataclasses.replace(competitor, alias="")
