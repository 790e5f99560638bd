"""What is computed of one replicate alone, by the process that reads it: where many are read, every CPU does a part."""

from typing import NamedTuple

from method.statistic import Steadiness, mean_seconds, seconds, steadiness
from runners.harness.record import Record

_KEPT = "_computed"


class Computed(NamedTuple):
    """The compared statistic and the mean step, in seconds, and whether the replicate had settled."""

    seconds: float
    mean_seconds: float | None
    steadiness: Steadiness


def computed(record: Record) -> Computed:
    """Of an `ok` record, computed once."""
    kept = vars(record)
    if _KEPT not in kept:
        kept[_KEPT] = Computed(seconds(record), mean_seconds(record), steadiness(record))
    found: Computed = kept[_KEPT]
    return found
