"""Cells of the tables: a value with its scatter and n, or a dash with its reason."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from aggregator.base.quantities import DASH, amount, duration, significant, with_half_width
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.means import geometric_mean
from aggregator.judge.metrics import Metric, items_per_second
from aggregator.judge.roofline import PRODUCT, Attainable, Unknown, side_rate
from aggregator.judge.sides import Side
from aggregator.report.answers import incomplete
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Cell
from runners.harness.run import NOT_TRIED

MEAN_NOTE = "± is half of the 95 % t interval over n blocks (fresh processes)"
NO_RATE = "the record counts no operations, or the framework computed in another precision"
ONE_SEED = (
    "All replicates start from the same seed and ended at the same value: this is one observation. It shows that the "
    "training can be repeated and that the network learned. One seed does not show which framework learns better."
)


def columns(cases: Iterable[CaseResult]) -> list[str]:
    """The names of a table's competitors, in order of first appearance."""
    return list(dict.fromkeys(side.name for case in cases for side in case.sides))


def by_column(
    case: CaseResult, labels: list[str], notes: Footnotes, show: Callable[[Side, Footnotes], Cell]
) -> list[Cell]:
    """A cell for each of the table's competitors; a dash for a competitor that does not run this case."""
    sides = {side.name: side for side in case.sides}
    return [show(sides[label], notes) if label in sides else Cell(DASH) for label in labels]


def time_cell(side: Side, notes: Footnotes) -> Cell:
    """The compared time: its geometric mean over blocks, with half its 95 % interval."""
    if not side.ok:
        return dash(side, notes)
    mean = geometric_mean(list(side.logs.values()))
    return Cell(duration(*mean[:3]), f"n {mean.n}", notes.mark(incomplete(side)), mean.value, side.name)


def stage_cell(side: Side, read: Metric) -> Cell:
    """Another time in the same form, for a row that has a column of n."""
    times = [found for found in side.values(read) if found]
    if not times:
        return Cell(DASH)
    mean = geometric_mean([math.log(time) for time in times])
    return Cell(duration(*mean[:3]), value=mean.value)


def rate_cell(side: Side, notes: Footnotes, read: Metric = items_per_second) -> Cell:
    """Images per second: the geometric mean over blocks, with half its 95 % interval."""
    if not side.ok:
        return dash(side, notes)
    logs = [math.log(found) for found in side.values(read)]
    if not logs:
        return Cell(DASH)
    mean = geometric_mean(logs)
    if mean.low is None or mean.high is None:
        text = f"{significant(mean.value, 2)}/s"
    else:
        text = with_half_width(mean.value, mean.low, mean.high, "/s").replace(" /s", "/s")
    compared = side.name if read is items_per_second else ""
    return Cell(text, f"n {mean.n}", notes.mark(incomplete(side)), mean.value, compared)


def share_cell(side: Side, limit: Attainable | Unknown) -> Cell:
    """The attainable time in per cent of the measured time, whose interval it takes over: the limit counts as exact."""
    mean = geometric_mean(list(side.logs.values()))
    if isinstance(limit, Unknown) or mean.low is None or mean.high is None:
        return Cell(DASH)
    middle, *ends = (100 * limit.seconds / time for time in mean[:3] if time)
    return Cell(with_half_width(middle, min(ends), max(ends), "%"), value=middle / 100)


def limit_cell(side: Side, notes: Footnotes) -> Cell:
    """What a competitor reached in a `roof` case, in operations or bytes a second."""
    found = side_rate(side)
    if found is None:
        return dash(side, notes) if not side.ok else Cell(DASH, "", notes.mark(NO_RATE))
    unit = "FLOP/s" if side.records[0].case.stage == PRODUCT else "B/s"
    text = amount(found.per_second, unit, found.low, found.high)
    return Cell(text, f"n {found.n}", notes.mark(incomplete(side)), found.per_second)


def range_cell(side: Side, value: Metric, show: Callable[[Sequence[float]], str]) -> Cell:
    """Median and range over the replicates that have the value; n only where some replicates of the row lack it."""
    # Sorted here once: each median and range below would sort again.
    values = sorted(side.values(value))
    if not values:
        return Cell(DASH)
    return Cell(
        show(values), "" if len(values) == len(side.ok) else f"n {len(values)}", value=statistics.median(values)
    )


def seed_cell(side: Side, value: Metric, show: Callable[[Sequence[float]], str], notes: Footnotes) -> Cell:
    """A result that depends on the seed. Replicates with the same seed are one observation: no n, no range."""
    values = side.values(value)
    if len(values) < 2 or len(set(values)) > 1:
        return range_cell(side, value, show)
    return Cell(show(values[:1]), "1 seed", notes.mark(ONE_SEED), values[0])


def dash(side: Side, notes: Footnotes) -> Cell:
    """No number, and why."""
    if side.unavailable:
        kind, reason = clean(side.unavailable.kind, 40), clean(side.unavailable.reason, 300)
        if kind == NOT_TRIED:  # its reason is short, and stands in the cell
            return Cell(f"{DASH} {reason[:60]}")
        return Cell(f"{DASH} {kind}", "", notes.mark(f"{kind}: {reason}"))
    errors = [record.error for record in side.failures if record.error]
    if errors:
        kind, reason = clean(errors[0].kind, 40), clean(errors[0].message, 300)
        alike = sum(error.kind == errors[0].kind for error in errors)
        return Cell(
            f"{DASH} {kind}",
            f"0 of {len(side.records)} ok",
            notes.mark(f"{kind}: {reason} ({alike} of {len(side.records)} replicates)"),
        )
    if side.planned:
        return Cell(
            f"{DASH} MISSING", "", notes.mark(f"INCOMPLETE: none of the {side.planned} planned blocks was measured")
        )
    return Cell(DASH, "", notes.mark("not part of this case"))
