"""How long a block of a case took here, by when its replicates were started."""

import statistics
from collections import defaultdict
from datetime import datetime
from itertools import pairwise

from aggregator.comparison.analysis import CaseResult
from runners.harness.record import Record


def seconds_a_block(result: CaseResult) -> float | None:
    """The median time from one replicate's start to the next one's in a block, times the sides; None where unknown."""
    blocks: defaultdict[int, list[Record]] = defaultdict(list)
    for side in result.sides:
        for record in side.ok.values():
            blocks[record.block.number].append(record)
    gaps = [
        gap
        for records in blocks.values()
        for one, other in pairwise(sorted(records, key=lambda record: record.block.sequence))
        if other.block.sequence == one.block.sequence + 1 and (gap := _between(one, other)) is not None
    ]
    sides = sum(bool(side.ok) for side in result.sides)
    return statistics.median(gaps) * sides if gaps else None


def _between(one: Record, other: Record) -> float | None:
    try:
        times = [datetime.fromisoformat(record.block.started_at).replace(tzinfo=None) for record in (one, other)]
    except ValueError:
        return None
    seconds = (times[1] - times[0]).total_seconds()
    return seconds if seconds > 0 else None
