"""Two runs: ratios with the spread of each run, and no verdict, because no block has both."""

import math
from collections.abc import Sequence

import numpy as np

from aggregator.base.case_names import labels
from aggregator.base.quantities import DASH, count, duration_range, significant
from aggregator.judge.analysis import incomparable
from aggregator.judge.sides import Side
from aggregator.regression.opposed import Opposed, name_of
from aggregator.regression.page import Findings
from aggregator.report.answers import incomplete
from aggregator.report.model import Cell, Table

COLUMNS = ("case", "competitor", "BASE", "HEAD", "HEAD: times as fast as BASE")
NO_VERDICT = (
    "BASE and HEAD are two runs, and no block has both. A difference can come from the change, from the time of day or "
    "from the machine, and no test can tell which. The ratios have no verdict, and none of them fails this command."
)
HOW_TO_PAIR = (
    "For a verdict, measure both in one run, such as `make bench FRAMEWORKS=tensorflow@2.16.2,tensorflow@2.21.0`, and "
    "compare its competitors: `RUN:ONE RUN:OTHER`."
)
READING = (
    "A time is the median over n fresh processes (fastest–slowest). The last column is the ratio of the two "
    "medians: above 1, HEAD is faster. If the two ranges overlap, the ratio means little."
)
SEVERAL = "was measured in more than one environment (machine or set of versions), which are never pooled"


def compare(opposed: Sequence[Opposed]) -> Findings:
    """How many times as fast HEAD is as BASE wherever both have a time and did the same work."""
    met = [found for found in opposed if found.compared]
    titles = labels(found.case for found in met)
    rows = tuple((Cell(titles[found.case]), *_cells(found)) for found in met)
    said = (f"{count(len(rows), 'ratio')} without a verdict. {NO_VERDICT} {HOW_TO_PAIR}",)
    return Findings(said, Table("", COLUMNS, rows, 2), (READING,))


def _cells(found: Opposed) -> tuple[Cell, ...]:
    measured = [[side for side in sides if side.ok] for sides in (found.base, found.head)]
    if any(len(sides) > 1 for sides in measured):
        return Cell(found.name), Cell(DASH), Cell(DASH), Cell(DASH, "", (SEVERAL,))
    (base,), (head,) = measured
    first = base.ok[min(base.ok)]
    why = incomparable(found.case, base, head, [(first, record) for record in head.ok.values()])
    times = _seconds(base), _seconds(head)
    ratio = DASH if why else f"{significant(float(np.median(times[0]) / np.median(times[1])), 3)}×"
    shown = [_time(side, values) for side, values in zip((base, head), times, strict=True)]
    return (
        Cell(name_of(base.label, head.label)),
        *shown,
        Cell(ratio, "", (f"not comparable: {why}",) if why else ()),
    )


def _time(side: Side, seconds: list[float]) -> Cell:
    doubts = (incomplete(side), f"disturbed: {side.disturbance}" if side.disturbance else "")
    return Cell(duration_range(seconds), f"n {len(seconds)}", tuple(filter(None, doubts)))


def _seconds(side: Side) -> list[float]:
    return [math.exp(log) for log in side.logs.values()]
