"""Vega-Lite to SVG: a specification a figure, drawn panel by panel, so that a page can place panels as it has room."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import vl_convert

from aggregator.report.figures.style import GREY, GRID, INK, TEXT, Palette, Row
from aggregator.report.figures.svg import cells, panel, smaller

ABOUT, WHO, CASE = "about", "who", "digest"
"""The field of a row with the text of its marks, and fields that are not drawn: its competitor, its case's digest."""
SAYS = alt.Description(f"{ABOUT}:N")
MOST_NAMED = 90
"""In a figure of more marks, marks have no text: the texts would take more bytes than the marks."""
MOST_TICKS = 5
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


class Drawn(NamedTuple):
    """One panel of a figure: its heading, its SVG, and the digests of its cases if its marks do not have them."""

    heading: str
    svg: str
    cases: tuple[str, ...] = ()


class Ticks(NamedTuple):
    """The ends of an axis, and the values that have labels."""

    low: float
    high: float
    values: tuple[float, ...]
    is_log: bool = False

    @property
    def scale(self) -> alt.Scale:
        """A scale from end to end."""
        return alt.Scale(type="log" if self.is_log else "linear", domain=[self.low, self.high], nice=False)

    def place(self, value: float, length: float) -> float:
        """Where a value is on an axis of that length."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low) * length
        return (value - self.low) / (self.high - self.low) * length


def amounts(values: Sequence[float]) -> Ticks:
    """An axis from 0 to a round number above all values."""
    high = max(values, default=0.0) or 1.0
    steps = [digit * 10.0 ** (math.floor(math.log10(high)) - 1) for digit in (1, 2, 2.5, 5, 10, 20)]
    step = next(step for step in steps if math.ceil(high / step - 1e-9) <= MOST_TICKS)
    count = math.ceil(high / step - 1e-9)
    return Ticks(0.0, count * step, tuple(round(step * index, 12) for index in range(count + 1)))


def ratios(values: Sequence[float]) -> Ticks:
    """A logarithmic axis around all values and 1, with a label at 1."""
    found = logarithmic([1.0, *values])
    if found.high / found.low > 2.2:
        return found
    widths = [digit * 10.0**power for power in (-3, -2, -1) for digit in (1, 2, 5)]
    step = next(width for width in widths if (found.high - found.low) / width <= MOST_TICKS)
    near = [round(1 + step * index, 6) for index in range(-MOST_TICKS, MOST_TICKS + 1)]
    return found._replace(values=tuple(value for value in near if found.low <= value <= found.high))


def logarithmic(values: Sequence[float]) -> Ticks:
    """A logarithmic axis around all values."""
    room = max((max(values) / min(values)) ** 0.03, 1.002)
    low, high = min(values) / room, max(values) * room
    digits = (1, 1.5, 2, 3, 5, 7) if high / low < 5 else (1, 2, 5) if high / low < 200 else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    found = [round(digit * 10.0**decade, 9) for decade in decades for digit in digits]
    return Ticks(low, high, tuple(value for value in found if low <= value <= high), is_log=True)


def colour(palette: Palette, rows: Sequence[Row]) -> alt.Color:
    """Colour by competitor."""
    return alt.Color("competitor:N", legend=None, scale=_scale(palette.shown(rows), palette.colour))


def shape(palette: Palette, rows: Sequence[Row]) -> alt.Shape:
    """Shape by competitor."""
    return alt.Shape("competitor:N", legend=None, scale=_scale(palette.shown(rows), palette.shape))


def dash(palette: Palette, rows: Sequence[Row]) -> alt.StrokeDash:
    """Dash pattern by competitor."""
    return alt.StrokeDash("competitor:N", legend=None, scale=_scale(palette.shown(rows), palette.dash))


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
    layers: Sequence[alt.Chart],
    rows: Sequence[Row],
    plot: Plot,
    heights: Mapping[str, float] | None = None,
    **more: Sequence[Row],
) -> list[Drawn]:
    """The layers over the rows of each value of `panel`, each as an SVG of its own, in the order of the rows.

    Marks of a panel with less height than the plot are at its bottom.
    """
    names = panels(rows)
    facet = alt.Row("panel:N", sort=names, header=None)
    chart = alt.layer(*layers).properties(width=plot.width, height=plot.height)
    chart = chart.facet(row=facet, data=alt.NamedData("rows")).resolve_axis(x="independent", y="independent")
    found = cells(vector(chart.properties(autosize="none", padding=0), rows=rows, **more))
    drawn = []
    for name, cell in zip(names, found, strict=False):
        height = plot.height if heights is None else heights[name]
        size = f"{plot.left + plot.width + plot.right} {plot.top + height + plot.bottom:g}"
        box = f"{-plot.left} {plot.height - height - plot.top:g} {size}"
        cases = (
            () if is_named(rows) else dict.fromkeys(row[CASE] for row in rows if row["panel"] == name and CASE in row)
        )
        drawn.append(Drawn(name, panel(cell, box), tuple(cases)))
    return drawn


def is_named(rows: Sequence[Row]) -> bool:
    """Whether each mark of a drawing says what it is."""
    return sum(ABOUT in row for row in rows) <= MOST_NAMED


def draw(chart: Any, **data: Sequence[Row]) -> str:
    """The chart as one SVG."""
    return smaller(vector(chart, **data))


def vector(chart: Any, **data: Sequence[Row]) -> str:
    """The chart as Vega draws it, its named data filled in afterwards: Altair would check every row of it."""
    left = {WHO, CASE} if is_named([row for rows in data.values() for row in rows]) else {WHO, CASE, ABOUT}
    spec = chart.to_dict()
    spec["datasets"] = {
        name: [{key: value for key, value in row.items() if key not in left} for row in rows]
        for name, rows in data.items()
    }
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
