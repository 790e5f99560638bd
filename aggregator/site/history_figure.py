"""The history's figure: a small panel for each comparison, a point with its interval for each run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import altair as alt

from aggregator.report.figures.charts import draw
from aggregator.report.figures.style import COLOURS, GREY
from aggregator.report.model import Figure

PANELS = 40
"""The most panels of a figure; the table has all comparisons."""
CAPTION = (
    "How many times as fast the first competitor is, by run, oldest first, with the numbers of the table. Lines are "
    "95 % intervals; the dashed line marks equal speed. A hollow mark is a run that reached no verdict. Each panel "
    "has its own scale."
)


@dataclass(frozen=True)
class Point:
    """One run's ratio in the panel of its comparison; a panel's name has a line for the case and one for the sides."""

    panel: str
    run: int
    value: float
    low: float
    high: float
    decided: bool


def draw_history(points: Sequence[Point], name: str) -> Figure:
    """The figure over all points; the panels in order of first appearance."""
    panels = list(dict.fromkeys(point.panel for point in points))
    drawn = panels[:PANELS]
    rows = [asdict(point) for point in points if point.panel in drawn]
    runs = sorted({point.run for point in points})
    x = alt.X("run:O", title=None, axis=alt.Axis(labelAngle=0), scale=alt.Scale(domain=runs))

    def y(field: str) -> alt.Y:
        scale = alt.Scale(type="log", nice=False, padding=8)
        return alt.Y(field, title=None, scale=scale, axis=alt.Axis(tickCount=3, format=".3~g"))

    base = alt.Chart().encode(x=x, color=alt.value(COLOURS[0][0]))
    header = alt.Header(labelLimit=330, labelFontSize=10, labelLineHeight=12, labelExpr="split(datum.value, '\\n')")
    layers = alt.layer(
        alt.Chart().mark_rule(color=GREY, strokeDash=[3, 3]).encode(y=y("equal:Q")),
        base.mark_rule(strokeWidth=2).encode(y=y("low:Q"), y2="high:Q"),
        base.transform_filter("datum.decided").mark_point(filled=True, size=50, opacity=1).encode(y=y("value:Q")),
        base.transform_filter("!datum.decided").mark_point(filled=False, size=50, opacity=1).encode(y=y("value:Q")),
    ).properties(width=300, height=80)
    chart = layers.facet(
        data=alt.NamedData("rows"),
        facet=alt.Facet("panel:N", sort=drawn, header=header),
        columns=2,
    ).resolve_scale(y="independent")
    left_out = f" The first {len(drawn)} of {len(panels)} comparisons." if len(panels) > len(drawn) else ""
    svg = draw(chart, rows=[{**row, "equal": 1.0} for row in rows])
    return Figure(name, "Ratios from run to run", CAPTION + left_out, svg)
