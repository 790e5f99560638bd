"""Cells of the tables: a value with its scatter and n, or a dash with its reason."""

import math
import statistics
from collections.abc import Callable, Sequence

from aggregator.base.quantities import DASH, amount, duration, with_half_width
from aggregator.base.text import clean
from aggregator.judge.means import geometric_mean
from aggregator.judge.metrics import Metric, items_per_second
from aggregator.judge.roofline import PRODUCT, Attainable, Unknown, side_rate
from aggregator.judge.sides import Side
from aggregator.report.answers import incomplete
from aggregator.report.first_screen import IMAGES, RATES, rate_text
from aggregator.report.model import Cell, noted
from runners.harness.run import NOT_TRIED

MEAN_NOTE = "± is half of the 95 % t interval over n blocks (fresh processes)"
NO_RATE = "the record counts no operations, or the framework computed in another precision"
ONE_SEED = (
    "All replicates start from the same seed and ended at the same value: this is one observation. It shows that the "
    "training can be repeated and that the network learned. One seed does not show which framework learns better."
)


def time_cell(side: Side) -> Cell:
    """The compared time: its geometric mean over blocks, with half its 95 % interval."""
    if not side.ok:
        return dash(side)
    mean = geometric_mean(list(side.logs.values()))
    return Cell(duration(*mean[:3]), f"n {mean.n}", noted(incomplete(side)), mean.value, side.name)


def stage_cell(side: Side, read: Metric) -> Cell:
    """Another time in the same form, for a row that has a column of n."""
    times = [found for found in side.values(read) if found]
    if not times:
        return Cell(DASH)
    mean = geometric_mean([math.log(time) for time in times])
    return Cell(duration(*mean[:3]), value=mean.value)


def rate_cell(side: Side, read: Metric = items_per_second) -> Cell:
    """Images per second: the geometric mean over blocks, with half its 95 % interval."""
    if not side.ok:
        return dash(side)
    logs = [math.log(found) for found in side.values(read)]
    if not logs:
        return Cell(DASH)
    mean = geometric_mean(logs)
    unit = RATES.get(side.records[0].case.workload, IMAGES)
    compared = side.name if read is items_per_second else ""
    return Cell(
        rate_text(mean, unit).replace(f" {IMAGES}", "/s"), f"n {mean.n}", noted(incomplete(side)), mean.value, compared
    )


def share_cell(side: Side, limit: Attainable | Unknown) -> Cell:
    """The attainable time in per cent of the measured time, whose interval it takes over: the limit counts as exact."""
    if isinstance(limit, Unknown) or not side.logs:
        return Cell(DASH)
    mean = geometric_mean(list(side.logs.values()))
    if mean.low is None or mean.high is None:
        return Cell(DASH)
    share, low, high = (100 * limit.seconds / time for time in (mean.value, mean.high, mean.low))
    return Cell(with_half_width(share, low, high, "%"), value=share / 100)


def limit_cell(side: Side) -> Cell:
    """What a competitor reached in a `roof` case, in operations or bytes a second."""
    found = side_rate(side)
    if found is None:
        return dash(side) if not side.ok else Cell(DASH, "", (NO_RATE,))
    unit = "FLOP/s" if side.records[0].case.stage == PRODUCT else "B/s"
    text = amount(found.per_second, unit, found.low, found.high)
    return Cell(text, f"n {found.n}", noted(incomplete(side)), found.per_second)


def range_cell(side: Side, value: Metric, show: Callable[[Sequence[float]], str]) -> Cell:
    """Median and range over the replicates that have the value; n only where some replicates of the row lack it."""
    # Sorted here once: each median and range below would sort again.
    values = sorted(side.values(value))
    if not values:
        return Cell(DASH)
    n = "" if len(values) == len(side.ok) else f"n {len(values)}"
    return Cell(show(values), n, value=statistics.median(values))


def seed_cell(side: Side, value: Metric, show: Callable[[Sequence[float]], str]) -> Cell:
    """A result that depends on the seed. Replicates with the same seed are one observation: no n, no range."""
    values = side.values(value)
    if len(values) < 2 or len(set(values)) > 1:
        return range_cell(side, value, show)
    return Cell(show(values[:1]), "1 seed", (ONE_SEED,), values[0])


def dash(side: Side) -> Cell:
    """No number, and why."""
    if side.unavailable:
        kind, reason = clean(side.unavailable.kind, 40), clean(side.unavailable.reason, 300)
        if kind == NOT_TRIED:  # its reason is short, and stands in the cell
            return Cell(f"{DASH} {reason[:60]}")
        return Cell(f"{DASH} {kind}", "", (f"{kind}: {reason}",))
    errors, number = [record.error for record in side.failures if record.error], len(side.records)
    if errors:
        kind, reason = clean(errors[0].kind, 40), clean(errors[0].message, 300)
        alike = sum(error.kind == errors[0].kind for error in errors)
        return Cell(f"{DASH} {kind}", f"0 of {number} ok", (f"{kind}: {reason} ({alike} of {number} replicates)",))
    if side.planned:
        return Cell(f"{DASH} MISSING", "", (f"INCOMPLETE: none of the {side.planned} planned blocks was measured",))
    return Cell(DASH, "", ("not part of this case",))
