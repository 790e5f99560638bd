"""The roofline plot: operations per byte against operations per second, with both limits of the machine."""

from collections.abc import Sequence

import altair as alt

from aggregator.base.case_names import group, title
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import natural
from aggregator.judge.means import geometric_mean
from aggregator.judge.roofline import COPY_PRECISION, Rate, Roof, Unknown
from aggregator.report.figures.charts import SAYS, colour, draw, faceted, shape
from aggregator.report.figures.dot_plot import about
from aggregator.report.figures.style import GREY, Palette, Row
from aggregator.report.model import Figure

CAPTION = (
    "Each point is a competitor in a case; further up is faster. The line is the limit of the machine: memory "
    "bandwidth (its best copy) on the slope, computing (its best matrix product) on the level part. Both scales are "
    "logarithmic."
)


def roofline_figures(cases: Sequence[CaseResult], roof: Roof, palette: Palette, prefix: str) -> list[Figure]:
    """A figure for each workload, device and precision that has both limits, a panel a network."""
    groups: dict[tuple[str, str, str], list[CaseResult]] = {}
    for result in sorted(cases, key=natural):
        groups.setdefault((result.case.workload, result.case.device, result.case.precision), []).append(result)
    found: list[Figure] = []
    for (workload, device, precision), members in groups.items():
        product, copy = roof.products.get((device, precision)), roof.copies.get((device, COPY_PRECISION))
        rows = [row for case in members for row in _points(case, roof)]
        if rows and product and copy:
            name = f"Roofline: {title(workload)}, {clean(precision, 40)}, {device.upper()}"
            svg = _plot(rows, _ceiling(rows, product, copy), palette)
            found.append(Figure(f"{prefix}roofline-{len(found) + 1}", name, CAPTION, svg))
    return found


def _points(result: CaseResult, roof: Roof) -> list[Row]:
    limit = roof.attainable(result)
    if isinstance(limit, Unknown):
        return []
    sides = [side for side in result.sides if side.logs]
    levels = [geometric_mean(list(side.logs.values())).value for side in sides]
    return [
        {
            "panel": group(result.case),
            "competitor": side.name,
            "intensity": limit.intensity,
            "rate": limit.flops / level / 1e9,
            **about(result, side, limit.flops / level / 1e9),
        }
        for side, level in zip(sides, levels, strict=True)
    ]


def _ceiling(rows: Sequence[Row], product: Rate, copy: Rate) -> list[Row]:
    """Both limits as one line, from left of the first point to right of the last."""
    ridge = product.per_second / copy.per_second
    ends = [row["intensity"] for row in rows] + [ridge]
    places = [min(ends) / 1.5, ridge, max(ends) * 1.5]
    return [{"x": place, "y": min(product.per_second, place * copy.per_second) / 1e9} for place in places]


def _plot(rows: Sequence[Row], ceiling: Sequence[Row], palette: Palette) -> str:
    def x(field: str) -> alt.X:
        return alt.X(field, title="operations per byte, FLOP/B", scale=alt.Scale(type="log", nice=False))

    def y(field: str) -> alt.Y:
        return alt.Y(field, title="GFLOP/s", scale=alt.Scale(type="log", nice=False, padding=8))

    roof = alt.Chart(alt.NamedData("ceiling")).mark_line(color=GREY).encode(x=x("x:Q"), y=y("y:Q"))
    points = alt.Chart().mark_point(filled=True, size=45, opacity=1)
    points = points.encode(
        x=x("intensity:Q"), y=y("rate:Q"), color=colour(palette, rows), shape=shape(palette, rows), description=SAYS
    )
    return draw(faceted([roof, points], rows, 205, 170, 3), rows=rows, ceiling=ceiling)
