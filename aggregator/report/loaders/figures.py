"""Figures of data loading: throughput by workers, throughput by CPU time, time to the first batch."""

import math
import statistics
from collections.abc import Sequence

import altair as alt

from aggregator.base.case_names import group, parameters
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.means import geometric_mean
from aggregator.judge.sides import Side
from aggregator.report.figures.charts import SAYS, colour, dash, draw, faceted, shape
from aggregator.report.figures.dot_plot import row_of
from aggregator.report.figures.style import GREY, Palette, Row
from aggregator.report.loaders.limits import DECODING
from aggregator.report.model import Figure


def loader_figures(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> list[Figure | None]:
    """Throughput by workers, throughput by CPU time, first batch by workers; None where each side has one number."""
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
        "Higher is better. Each panel is a stage, which includes the stages before it. Lines at the points are 95 % "
        "intervals."
    )
    if any(row["limit"] for row in rows):
        caption += (
            " Dashed grey line: the rate of the reference decoder on one thread, times the number of workers or of "
            "CPUs, whichever is smaller. A loader with a faster decoder can exceed it."
        )
    svg = _by_workers(rows, "images per second", palette)
    return Figure(f"{prefix}loader-throughput", "Loader throughput by workers", caption, svg) if svg else None


def _first_batch(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    rows = []
    for case in cases:
        for side in case.sides:
            if found := side.values(metrics.first_step):
                rows.append(_row(case, side, statistics.median(found), min(found), max(found)))
    caption = (
        "Lower is better. Medians over replicates, including the start of the workers; lines run from the lowest to "
        "the highest replicate."
    )
    svg = _by_workers(rows, "seconds to the first batch", palette)
    return Figure(f"{prefix}loader-first-batch", "Time to the first batch by workers", caption, svg) if svg else None


def _cost(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    rows = []
    for case in cases:
        for side in case.sides:
            if found := side.values(metrics.cpu_time):
                rows.append({**_row(case, side, *_rate(side)), "cost": 1e3 * statistics.median(found)})
    if len({row["workers"] for row in rows}) < 2:
        return None  # one point a side: the tables have it
    base = alt.Chart().encode(
        x=alt.X("cost:Q", title="CPU milliseconds per image", scale=alt.Scale(zero=True)),
        y=alt.Y("value:Q", title="images per second", scale=alt.Scale(zero=True)),
    )
    line = base.mark_line(strokeWidth=1).encode(color=colour(palette, rows), order="workers:Q")
    size = alt.Size("workers:O", legend=None, scale=alt.Scale(range=[30, 130]))
    point = base.mark_point(filled=True, opacity=1)
    point = point.encode(color=colour(palette, rows), shape=shape(palette, rows), size=size, description=SAYS)
    caption = (
        "Further up is faster, further left is cheaper. CPU time is the CPU time of all processes during the timed "
        "steps. Each point is a competitor with a number of workers; larger points have more workers."
    )
    svg = draw(faceted([line, point], rows, 205, 200, 3), rows=rows)
    return Figure(f"{prefix}loader-cost", "Loader throughput by CPU time per image", caption, svg)


def _by_workers(rows: Sequence[Row], axis: str, palette: Palette) -> str:
    """Values against workers, a panel for each stage; empty where all cases have the same number of workers."""
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
    return draw(faceted(layers, rows, 205, 200, 3), rows=rows)


def _row(case: CaseResult, side: Side, value: float, low: float, high: float) -> Row:
    panel = f"{group(case.case)}, {parameters(case.case, 'workers')}"
    return {**row_of(case, side, value, low, high), "workers": case.case.workers or 0, "panel": panel}


def _rate(side: Side) -> tuple[float, float, float]:
    """Images per second: geometric mean and the ends of its 95 % interval."""
    mean = geometric_mean([math.log(rate) for rate in side.values(metrics.items_per_second)])
    return mean.value, *mean.ends


def _limit(case: CaseResult) -> float | None:
    """The limit that decoding sets in this case: the median over the replicates of all sides."""
    found = [value for side in case.sides for value in side.values(DECODING.rate)]
    return statistics.median(found) if found else None
