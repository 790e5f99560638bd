"""Figures of data loading: throughput by workers, throughput by CPU time, time to the first batch."""

import math
import statistics
from collections.abc import Sequence

from aggregator.base.case_names import group, parameters
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.means import geometric_mean
from aggregator.judge.sides import Side
from aggregator.report.figures.axes import amounts
from aggregator.report.figures.dot_plot import row_of
from aggregator.report.figures.line_plot import Across, Plane, line_figure
from aggregator.report.figures.style import Palette, Row
from aggregator.report.loaders.limits import DECODING
from aggregator.report.model import Figure

RATE = "images/s"


def throughput(cases: Sequence[CaseResult], palette: Palette) -> Figure | None:
    """Images per second by workers; None where each side has one number of workers."""
    rows = [row_of(case, side, *_rate(side), **_place(case)) for case in cases for side in case.sides if side.ok]
    limits = _limits(cases)
    caption = (
        "Higher is faster. Each panel is a stage, which includes the stages before it. Vertical lines are 95 % "
        "intervals."
    )
    if limits:
        caption += (
            " The dashed line is the rate of a plain decoder on one thread, times the number of workers or of CPUs, "
            "whichever is smaller. A loader with a faster decoder can be above it."
        )
    return _by_workers("loader-throughput", "Loader throughput by workers", caption, rows, limits, RATE, palette)


def first_batch(cases: Sequence[CaseResult], palette: Palette) -> Figure | None:
    """Seconds to the first batch by workers; None where each side has one number of workers."""
    rows = [
        row_of(case, side, statistics.median(found), min(found), max(found), **_place(case))
        for case in cases
        for side in case.sides
        if (found := side.values(metrics.first_step))
    ]
    caption = (
        "Lower is faster. The time includes the start of the workers. Points are medians over replicates. Vertical "
        "lines go from the lowest to the highest replicate."
    )
    title = "Time to the first batch by workers"
    return _by_workers("loader-first-batch", title, caption, rows, [], "seconds", palette)


def cost(cases: Sequence[CaseResult], palette: Palette) -> Figure | None:
    """Images per second by CPU time per image; None where each side has one number of workers."""
    rows = [
        row_of(case, side, _rate(side)[0], cost=1e3 * statistics.median(found), **_place(case))
        for case in cases
        for side in case.sides
        if (found := side.values(metrics.cpu_time))
    ]
    if len({row["workers"] for row in rows}) < 2:
        return None  # one point a side: the tables have it
    caption = (
        "Further up is faster, further left takes less CPU time. CPU time is the time that all processes computed "
        "during the timed steps. A line joins the points of a loader, from the fewest workers to the most. The name of "
        "a loader is at the height of the point with the most workers."
    )
    across = Across("cost", "CPU time per image, ms", amounts([row["cost"] for row in rows]))
    plane = Plane(rows, across, amounts([row["value"] for row in rows]), RATE)
    title = "Loader throughput by CPU time per image"
    return line_figure("loader-cost", title, caption, [plane], palette, order="workers")


def _by_workers(
    name: str, title: str, caption: str, rows: Sequence[Row], limits: Sequence[Row], axis: str, palette: Palette
) -> Figure | None:
    """Values against workers, a panel for each stage; None where all cases have the same number of workers."""
    workers = sorted({row["workers"] for row in rows})
    if len(workers) < 2:
        return None
    up = amounts([*(row["high"] for row in rows), *(row["value"] for row in limits)])
    plane = Plane([*rows, *limits], Across("workers", "workers", workers), up, axis)
    return line_figure(name, title, caption, [plane], palette, limit="decoding alone" if limits else "")


def _place(case: CaseResult) -> Row:
    return {"panel": f"{group(case.case)}, {parameters(case.case, 'workers')}", "workers": case.case.workers or 0}


def _rate(side: Side) -> tuple[float, float, float]:
    """Images per second: geometric mean and the ends of its 95 % interval."""
    mean = geometric_mean([math.log(rate) for rate in side.values(metrics.items_per_second)])
    return mean.value, *mean.ends


def _limits(cases: Sequence[CaseResult]) -> list[Row]:
    """The limit that decoding sets in each case that has one: the median over the replicates of all sides."""
    return [
        {"kind": "limit", "value": statistics.median(found), **_place(case)}
        for case in cases
        if (found := [value for side in case.sides for value in side.values(DECODING.rate)])
    ]
