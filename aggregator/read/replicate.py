"""What is computed of one replicate alone, once, since many parts of a report ask for it."""

from method.statistic import Summary, summarise
from runners.harness.record import Record

_KEPT = "_computed"


def computed(record: Record) -> Summary:
    """Of an `ok` record, kept beside its fields."""
    kept = vars(record)
    if _KEPT not in kept:
        kept[_KEPT] = summarise(record)
    found: Summary = kept[_KEPT]
    return found
