"""Records in a fraction of their memory: what replicates repeat is kept once, their times as plain 64-bit numbers."""

from array import array
from dataclasses import replace
from typing import Any

from runners.harness.case import Case, Competitor
from runners.harness.record import Record, Samples

REPEATED = ("run_id", "case", "competitor", "command", "effective", "check", "host", "unknown")


class Sharing:
    """Remembers the last record of each case and competitor, whose settings and evidence the next mostly repeats."""

    def __init__(self) -> None:
        self._last: dict[tuple[Case, Competitor], Record] = {}

    def shared(self, record: Record) -> Record:
        """An equal record that has parts in common with those before it."""
        side = record.case, record.competitor
        last = self._last.get(side, record)
        kept: dict[str, Any] = {
            name: theirs
            for name in REPEATED
            if (ours := getattr(record, name)) is not (theirs := getattr(last, name)) and ours == theirs
        }
        if record.samples and not isinstance(record.samples.step_ns, array):
            kept["samples"] = _compact(record.samples)
        self._last[side] = replace(record, **kept) if kept else record
        return self._last[side]


def _compact(samples: Samples) -> Samples:
    long = array("q", samples.step_ns), array("q", samples.group_ns), array("q", samples.gc_pause_ns)
    return replace(samples, step_ns=long[0], group_ns=long[1], gc_pause_ns=long[2])
