"""Figures of data loading: what further workers bring, what an image costs, how soon a batch is there."""

import math
import statistics
from collections.abc import Sequence

import altair as alt

from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.metrics import Metric
from aggregator.judge.sides import Side
from aggregator.report.figures.charts import SAYS, colour, dash, draw, shape
from aggregator.report.figures.dot_plot import panels, row_of
from aggregator.report.figures.style import GREY, Palette, Row
from aggregator.report.model import Figure
from aggregator.report.loaders.limits import DECODING
from aggregator.base.case_names import group, parameters
from method.compare import interval_of_mean


def load_figures(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> list[Figure | None]:
    """Rates by workers, rates by cost, first batches by workers; None where one number a side would be drawn."""
    return [_throughput(cases, palette, prefix), _cost(cases, palette, prefix), _first_batch(cases, palette, prefix)]


def _throughput(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    rows = [
        {**_row(case, side, *_rate(side)), "limit": limit}
        for case in cases
        for limit in [_limit(case)]
        for side in case.sides
        if side.ok
    ]
    caption = (
        "Higher is better. A panel a stage, each containing the one before; lines at the points are 95 % intervals."
    )
    if any(row["limit"] for row in rows):
        caption += (
            " Dashed grey: the reference decoder's rate on one thread, times the workers or the CPUs, whichever are "
            "fewer; a loader with a faster decoder can pass it."
        )
    svg = _by_workers(rows, "images a second", palette)
    return Figure(f"{prefix}loader-throughput", "Loader throughput by workers", caption, svg) if svg else None


def _first_batch(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    rows = []
    for case in cases:
        for side in case.sides:
            if found := _values(side, metrics.first_step):
                rows.append(_row(case, side, statistics.median(found), min(found), max(found)))
    caption = (
        "Lower is better. Medians over replicates, the start of the workers included; lines from the lowest to the "
        "highest."
    )
    svg = _by_workers(rows, "seconds to the first batch", palette)
    return Figure(f"{prefix}loader-first-batch", "Time to the first batch by workers", caption, svg) if svg else None


def _cost(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    rows = []
    for case in cases:
        for side in case.sides:
            if found := _values(side, metrics.cpu_time):
                rows.append({**_row(case, side, *_rate(side)), "cost": 1e3 * statistics.median(found)})
    if len({row["workers"] for row in rows}) < 2:
        return None  # one point a side: the tables have it
    base = alt.Chart().encode(
        x=alt.X("cost:Q", title="CPU milliseconds an image", scale=alt.Scale(zero=True)),
        y=alt.Y("value:Q", title="images a second", scale=alt.Scale(zero=True)),
    )
    line = base.mark_line(strokeWidth=1).encode(color=colour(palette, rows), order="workers:Q")
    size = alt.Size("workers:O", legend=None, scale=alt.Scale(range=[30, 130]))
    point = base.mark_point(filled=True, opacity=1)
    point = point.encode(color=colour(palette, rows), shape=shape(palette, rows), size=size, description=SAYS)
    caption = (
        "Further up is faster, further left cheaper: CPU time is that of all processes over the timed steps. A point a "
        "competitor and number of workers, the larger the more."
    )
    svg = draw(_faceted([line, point], rows), rows=rows)
    return Figure(f"{prefix}loader-cost", "Loader throughput by CPU time an image", caption, svg)


def _by_workers(rows: Sequence[Row], axis: str, palette: Palette) -> str:
    """Values against workers, a panel a stage; empty where there is one number of workers, which a table tells."""
    workers = sorted({row["workers"] for row in rows})
    if len(workers) < 2:
        return ""
    x = alt.X("workers:O", title="workers", sort=workers, axis=alt.Axis(labelAngle=0))
    y = alt.Y("value:Q", title=axis, scale=alt.Scale(zero=True))
    base = alt.Chart().encode(x=x, color=colour(palette, rows))
    line = base.mark_line(strokeWidth=1.5).encode(y=y, strokeDash=dash(palette, rows))
    span = base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=axis), y2="high:Q", description=SAYS)
    point = base.mark_point(filled=True, size=80, opacity=1).encode(y=y, shape=shape(palette, rows), description=SAYS)
    layers = [line, span, point]
    if any(row.get("limit") for row in rows):
        limit = alt.Chart().transform_filter("isValid(datum.limit)").mark_line(color=GREY, strokeDash=[3, 3])
        layers.insert(0, limit.encode(x=x, y=alt.Y("mean(limit):Q", title=axis)))
    return draw(_faceted(layers, rows), rows=rows)


def _faceted(layers: Sequence[alt.Chart], rows: Sequence[Row]) -> alt.FacetChart:
    facet = alt.Facet("panel:N", sort=panels(rows))
    return alt.layer(*layers).properties(width=205, height=200).facet(facet, data=alt.NamedData("rows"), columns=3)


def _row(case: CaseResult, side: Side, value: float, low: float, high: float) -> Row:
    panel = f"{group(case.case)}, {parameters(case.case, 'workers')}"
    return {**row_of(case, side, value, low, high), "workers": case.case.workers or 0, "panel": panel}


def _rate(side: Side) -> tuple[float, float, float]:
    """Images a second: geometric mean and the ends of its 95 % interval."""
    rates = [math.log(metrics.items_per_second(record)) for record in side.ok.values()]
    middle = math.fsum(rates) / len(rates)
    low, high = interval_of_mean(rates) or (middle, middle)
    return math.exp(middle), math.exp(low), math.exp(high)


def _limit(case: CaseResult) -> float | None:
    """What decoding allows in this case, the median over all sides' replicates."""
    found = [value for side in case.sides for value in _values(side, DECODING.rate)]
    return statistics.median(found) if found else None


def _values(side: Side, read: Metric) -> list[float]:
    return [value for record in side.ok.values() if (value := read(record)) is not None]
