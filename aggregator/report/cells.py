"""Cells of the tables: a value with its scatter and n, or a dash with its reason."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from aggregator.judge.analysis import CaseResult
from aggregator.judge.metrics import Metric, items_per_second
from aggregator.judge.roofline import PRODUCT, Attainable, Unknown, side_rate
from aggregator.judge.sides import Side
from aggregator.report.model import Cell
from aggregator.report.footnotes import Footnotes
from aggregator.report.answers import incomplete
from aggregator.base.quantities import DASH, amount, duration, significant, with_half_width
from aggregator.base.text import clean
from method.compare import interval_of_mean

MEAN_NOTE = "± is half the 95 % t interval over n blocks (fresh processes)"
NOT_TRIED = "NOT TRIED"
"""What a run did not start, since a smaller batch ran out of memory: the reason is short and stands in the cell."""
ONE_SEED = (
    "Every replicate starts from the same seed and ended at the same value, so this is one observation. It shows that "
    "the training is repeatable and that it trained; one seed says nothing about which framework learns better."
)


def columns(cases: Iterable[CaseResult]) -> list[str]:
    """The competitors of a table, in order of first appearance."""
    return list(dict.fromkeys(side.label for case in cases for side in case.sides))


def by_column(
    case: CaseResult, labels: list[str], notes: Footnotes, show: Callable[[Side, Footnotes], Cell]
) -> list[Cell]:
    """A cell for each of the table's competitors, a dash for those that do not run this case."""
    sides = {side.label: side for side in case.sides}
    return [show(sides[label], notes) if label in sides else Cell(DASH) for label in labels]


def time_cell(side: Side, notes: Footnotes) -> Cell:
    """The statistic's geometric mean over blocks, with half its 95 % interval."""
    if not side.ok:
        return dash(side, notes)
    logs = list(side.logs.values())
    notes_of = notes.mark(incomplete(side))
    return Cell(_mean_duration(logs), f"n {len(logs)}", notes_of, _middle(logs), clean(side.label, 60))


def stage_cell(side: Side, value: Metric) -> Cell:
    """The same of another time than the statistic, for a row that says n itself."""
    logs = [math.log(found) for record in side.ok.values() if (found := value(record))]
    return Cell(_mean_duration(logs), value=_middle(logs)) if logs else Cell(DASH)


def _mean_duration(logs: Sequence[float]) -> str:
    interval = interval_of_mean(logs)
    return duration(_middle(logs), *(map(math.exp, interval))) if interval else duration(_middle(logs))


def _middle(logs: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(math.fsum(logs) / len(logs))


def rate_cell(side: Side, notes: Footnotes, rate: Metric = items_per_second) -> Cell:
    """Images a second: geometric mean over blocks, with half its 95 % interval."""
    if not side.ok:
        return dash(side, notes)
    logs = [math.log(found) for record in side.ok.values() if (found := rate(record)) is not None]
    if not logs:
        return Cell(DASH)
    interval, middle = interval_of_mean(logs), _middle(logs)
    if interval is None:
        text = f"{significant(middle, 2)}/s"
    else:
        text = with_half_width(middle, math.exp(interval[0]), math.exp(interval[1]), "/s").replace(" /s", "/s")
    compared = clean(side.label, 60) if rate is items_per_second else ""
    return Cell(text, f"n {len(logs)}", notes.mark(incomplete(side)), middle, compared)


def share_cell(side: Side, limit: Attainable | Unknown) -> Cell:
    """The attainable time in per cent of the measured one; its interval is the time's, the rate taken as it is."""
    logs = list(side.logs.values())
    interval = interval_of_mean(logs)
    if isinstance(limit, Unknown) or interval is None:
        return Cell(DASH)
    middle, *ends = (100 * limit.seconds / math.exp(log) for log in (math.fsum(logs) / len(logs), *interval))
    return Cell(with_half_width(middle, min(ends), max(ends), "%"), value=middle / 100)


def limit_cell(side: Side, notes: Footnotes) -> Cell:
    """What a competitor reached in a `roof` case, in operations or bytes a second."""
    found = side_rate(side)
    if found is None:
        return dash(side, notes) if not side.ok else Cell(DASH, "", notes.mark("not counted, or not in this precision"))
    unit = "FLOP/s" if side.records[0].case.stage == PRODUCT else "B/s"
    text = amount(found.per_second, unit, found.low, found.high)
    return Cell(text, f"n {found.n}", notes.mark(incomplete(side)), found.per_second)


def range_cell(side: Side, value: Metric, show: Callable[[Sequence[float]], str]) -> Cell:
    """Median and range over the replicates that have the value; n only where it is not all of the row's."""
    # In order, since each median and range taken of them below would put them in order again.
    values = sorted(found for record in side.ok.values() if (found := value(record)) is not None)
    if not values:
        return Cell(DASH)
    return Cell(
        show(values), "" if len(values) == len(side.ok) else f"n {len(values)}", value=statistics.median(values)
    )


def seed_cell(side: Side, value: Metric, show: Callable[[Sequence[float]], str], notes: Footnotes) -> Cell:
    """A result that the seed decides. Replicates that repeat it are one observation: no n, no range."""
    values = [found for record in side.ok.values() if (found := value(record)) is not None]
    if len(values) < 2 or len(set(values)) > 1:
        return range_cell(side, value, show)
    return Cell(show(values[:1]), "1 seed", notes.mark(ONE_SEED), values[0])


def dash(side: Side, notes: Footnotes) -> Cell:
    """No number, and why."""
    if side.unavailable:
        kind, reason = clean(side.unavailable.kind, 40), clean(side.unavailable.reason, 300)
        if kind == NOT_TRIED:
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
        return Cell(f"{DASH} MISSING", "", notes.mark(f"INCOMPLETE: 0 of {side.planned} planned blocks were measured"))
    return Cell(DASH, "", notes.mark("not part of this case"))
