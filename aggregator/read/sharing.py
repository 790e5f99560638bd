"""Records in a fraction of their memory: what replicates repeat is kept once, their times as plain 64-bit numbers."""

from array import array

from runners.harness.case import Case, Competitor
from runners.harness.record import Record

REPEATED = ("run_id", "case", "competitor", "command", "effective", "check", "host", "unknown")
TIMES = ("step_ns", "group_ns", "gc_pause_ns")
"""What can be long."""


class Sharing:
    """Remembers the last record of each case and competitor, whose settings and evidence the next mostly repeats."""

    def __init__(self) -> None:
        self._last: dict[tuple[Case, Competitor], Record] = {}

    def share(self, record: Record) -> None:
        """Give the record parts in common with those before it, and make its samples small.

        It is changed in place, which a frozen one may be only as long as nobody but its reader has seen it.
        """
        side = record.case, record.competitor
        last = self._last.get(side, record)
        parts, others = vars(record), vars(last)
        parts |= {
            name: others[name] for name in REPEATED if parts[name] is not others[name] and parts[name] == others[name]
        }
        if record.samples and isinstance(record.samples.step_ns, list):
            times = vars(record.samples)
            times |= {name: array("q", times[name]) for name in TIMES if times[name]}
        self._last[side] = record
