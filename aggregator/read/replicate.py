"""What is computed of one replicate alone, by the process that reads it: where several read, each does its part."""

from collections.abc import Sequence

from method.statistic import Summary, summarise
from runners.harness.record import Record

_KEPT = "_computed"


def compute(records: Sequence[Record]) -> None:
    """Have what is computed of these `ok` records at hand, which for many together takes much less."""
    for record, found in zip(records, summarise(records), strict=True):
        vars(record)[_KEPT] = found


def computed(record: Record) -> Summary:
    """Of an `ok` record, computed once."""
    kept = vars(record)
    if _KEPT not in kept:
        compute([record])
    found: Summary = kept[_KEPT]
    return found
