"""Vega-Lite to SVG: a specification a figure, drawn panel by panel, so that a page can place panels as it has room."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import vl_convert

from aggregator.report.figures.axes import Axis
from aggregator.report.figures.style import GREY, GRID, INK, TEXT, Palette, Row
from aggregator.report.figures.svg import cells, panel, smaller
from aggregator.report.model import Panel

ABOUT, WHO, CASE = "about", "who", "digest"
"""The field of a row with the text of its marks, and fields that are not drawn: its competitor, its case's digest."""
SAYS = alt.Description(f"{ABOUT}:N")
MOST_NAMED = 90
"""In a figure of more marks, marks have no text: the texts would take more bytes than the marks."""
PANEL = 440
"""The width of a panel."""
MARKS, WORDS = "datum.kind === 'mark'", "datum.kind === 'text'"
LIMIT, KEYS = "datum.kind === 'limit'", "datum.kind === 'key'"
"""The kinds of rows: what is measured, a text, a limit that is not a competitor's, and the mark before a name."""


class Plot(NamedTuple):
    """The place for marks in a panel: its width, its height, and the room for texts around it."""

    width: int
    height: int
    left: int
    right: int
    bottom: int = 38
    top: int = 8


def colour(palette: Palette, rows: Sequence[Row]) -> alt.Color:
    """Colour by competitor."""
    return alt.Color("competitor:N", legend=None, scale=_scale(palette.shown(rows), palette.colour))


def shape(palette: Palette, rows: Sequence[Row]) -> alt.Shape:
    """Shape by competitor."""
    return alt.Shape("competitor:N", legend=None, scale=_scale(palette.shown(rows), palette.shape))


def dash(palette: Palette, rows: Sequence[Row]) -> alt.StrokeDash:
    """Dash pattern by competitor."""
    return alt.StrokeDash("competitor:N", legend=None, scale=_scale(palette.shown(rows), palette.dash))


def scale(axis: Axis) -> alt.Scale:
    """A scale from end to end."""
    return alt.Scale(type="log" if axis.is_log else "linear", domain=[axis.low, axis.high], nice=False)


def _scale(labels: Sequence[str], look: Callable[[str], Any]) -> alt.Scale:
    return alt.Scale(domain=labels, range=[look(label) for label in labels])


def texts() -> alt.Chart:
    """The layer of texts, each at its place in pixels."""
    chart = alt.Chart().transform_filter(WORDS).mark_text(align=alt.expr("datum.align"), baseline="middle", color=INK)
    x, y = alt.X("x:Q", scale=None, axis=None), alt.Y("y:Q", scale=None, axis=None)
    encoded: alt.Chart = chart.encode(x=x, y=y, text="text:N", description=alt.value(""))
    return encoded


def text(panel: str, x: float, y: float, words: str, align: str = "left") -> Row:
    """A row of that layer."""
    return {"panel": panel, "kind": "text", "x": x, "y": y, "text": words, "align": align}


def panels(rows: Sequence[Row]) -> list[str]:
    """The panels of a figure, in the order of its cases."""
    return list(dict.fromkeys(row["panel"] for row in rows))


def in_panels(rows: Sequence[Row]) -> list[Row]:
    """The rows panel by panel, else in their order."""
    order = {name: place for place, name in enumerate(panels(rows))}
    return sorted(rows, key=lambda row: order[row["panel"]])


def draw_panels(
    layers: Sequence[alt.Chart], rows: Sequence[Row], plot: Plot, heights: Mapping[str, float] | None = None
) -> list[Panel]:
    """The layers over the rows of each value of `panel`, each as an SVG of its own, in the order of the rows.

    Marks of a panel with less height than the plot are at its bottom.
    """
    names = panels(rows)
    facet = alt.Row("panel:N", sort=names, header=None)
    chart = alt.layer(*layers).properties(width=plot.width, height=plot.height)
    chart = chart.facet(row=facet, data=alt.NamedData("rows")).resolve_axis(x="independent", y="independent")
    found = cells(vector(chart.properties(autosize="none", padding=0), rows))
    drawn = []
    for name, cell in zip(names, found, strict=False):
        height = plot.height if heights is None else heights[name]
        size = f"{plot.left + plot.width + plot.right} {plot.top + height + plot.bottom:g}"
        box = f"{-plot.left} {plot.height - height - plot.top:g} {size}"
        cases = (
            () if is_named(rows) else dict.fromkeys(row[CASE] for row in rows if row["panel"] == name and CASE in row)
        )
        drawn.append(Panel(name, panel(cell, box), tuple(cases)))
    return drawn


def is_named(rows: Sequence[Row]) -> bool:
    """Whether each mark of a drawing says what it is."""
    return sum(ABOUT in row for row in rows) <= MOST_NAMED


def draw(chart: Any, rows: Sequence[Row]) -> str:
    """The chart as one SVG."""
    return smaller(vector(chart, rows))


def vector(chart: Any, rows: Sequence[Row]) -> str:
    """The chart as Vega draws it, its data `rows` filled in afterwards: Altair would check every row of it."""
    left = {WHO, CASE} if is_named(rows) else {WHO, CASE, ABOUT}
    spec = chart.to_dict()
    spec["datasets"] = {"rows": [{key: value for key, value in row.items() if key not in left} for row in rows]}
    spec["config"], spec["background"] = CONFIG, "white"
    svg: str = vl_convert.vegalite_to_svg(spec, vl_version=alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0])
    return svg


CONFIG: Row = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "gridColor": GRID, "domainColor": GREY, "tickColor": GREY,
        "labelFontSize": TEXT, "titleFontSize": TEXT, "titleFontWeight": "normal", "labelLimit": 0,
    },
    "text": {"fontSize": TEXT},
    "header": {
        "labelAnchor": "start", "labelColor": INK, "labelFontSize": 12, "labelFontWeight": "bold", "title": None,
        "labelLimit": 360, "labelPadding": 4,
    },
    "facet": {"spacing": 14},
    "legend": {"labelColor": INK, "labelFontSize": TEXT},
}  # fmt: skip
