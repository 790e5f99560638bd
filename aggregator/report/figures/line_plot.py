"""A figure of lines or points over two axes: a panel for each network or stage, names at the ends of the lines."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any, NamedTuple

import altair as alt

from aggregator.report.figures import charts
from aggregator.report.figures.axes import Axis
from aggregator.report.figures.charts import MARKS, PANEL, SAYS, Plot
from aggregator.report.figures.compose import beside, figure
from aggregator.report.figures.style import GREY, Palette, Row
from aggregator.report.model import Figure, Panel

LEFT, RIGHT, HEIGHT, TOP = 48, 158, 180, 26
PLOT = Plot(PANEL - LEFT - RIGHT, HEIGHT, LEFT, RIGHT, top=TOP)
WIDE = Plot(PANEL - LEFT - 14, HEIGHT, LEFT, 14, top=TOP)
"""The plot of a panel without names."""
APART, BESIDE = 16, 9
"""Pixels between two names, and between a name and its mark."""
NUMBER = ",~r"
Names = dict[str, dict[str, str]]
"""By panel, the names of its competitors, and the name of a limit under the empty text."""


class Across(NamedTuple):
    """The horizontal axis: the field with its values, what they are, and numbers or a list of values."""

    field: str
    title: str
    axis: Axis | Sequence[int]

    def place(self, value: float, width: float) -> float:
        """Where a value is."""
        if isinstance(self.axis, Axis):
            return self.axis.place(value, width)
        return (self.axis.index(int(value)) + 0.5) * width / len(self.axis)

    def channel(self) -> alt.X:
        """The channel of marks."""
        if isinstance(self.axis, Axis):
            axis = alt.Axis(values=list(self.axis.ticks), format=NUMBER, grid=False, labelFlush=False)
            return alt.X(f"{self.field}:Q", title=self.title, scale=charts.scale(self.axis), axis=axis)
        axis = alt.Axis(labelAngle=0, labelOverlap=True)
        return alt.X(f"{self.field}:O", title=self.title, sort=list(self.axis), axis=axis)


class Plane(NamedTuple):
    """Rows whose panels have the same two axes; rows of the kind `limit` are a limit's."""

    rows: Sequence[Row]
    across: Across
    up: Axis
    title: str


def line_figure(
    name: str,
    title: str,
    caption: str,
    planes: Sequence[Plane],
    palette: Palette,
    limit: str = "",
    order: str = "",
    joined: bool = True,
) -> Figure:
    """The panels of all planes. Rows with `low` have intervals; `limit` is the name of the rows that are a limit's.

    Lines go from left to right, or in the order of the field `order`; points that are not `joined` have none.
    """
    marks = [row for plane in planes for row in plane.rows if row["kind"] == "mark"]
    names = beside(marks, palette)
    unnamed = [row for row in marks if row["panel"] not in names]
    if limit:
        names = {panel: {**names.get(panel, {}), "": limit} for plane in planes for panel in charts.panels(plane.rows)}
    drawn = [panel for plane in planes for panel in _panels(plane, palette, names, order, joined)]
    return figure(name, title, caption, drawn, palette, unnamed)


def _panels(plane: Plane, palette: Palette, names: Names, order: str, joined: bool) -> list[Panel]:
    rows, across, up, title = plane
    rows = charts.in_panels(rows)
    plot = PLOT if names else WIDE
    words = [word for panel in charts.panels(rows) for word in _names(panel, plane, plot, names.get(panel, {}))]
    marks = [row for row in rows if row["kind"] == "mark"]
    x = across.channel()
    # The title of the axis is above it, to be read as a line.
    above: dict[str, Any] = {
        "titleAngle": 0,
        "titleAlign": "left",
        "titleBaseline": "bottom",
        "titleX": -LEFT,
        "titleY": -12,
    }
    y_axis = alt.Axis(values=list(up.ticks), format=NUMBER, domain=False, ticks=False, **above)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title=title, scale=charts.scale(up), axis=y_axis)

    base = alt.Chart().transform_filter(MARKS).encode(x=x, color=charts.colour(palette, marks))
    layers = []
    if joined:
        lines = base.mark_line(strokeWidth=1.5).encode(y=y("value"), strokeDash=charts.dash(palette, marks))
        layers.append(lines.encode(order=alt.Order(f"{order}:Q")) if order else lines)
    if any("low" in row for row in marks):
        layers.append(base.mark_rule(strokeWidth=2).encode(y=y("low"), y2="high:Q", description=SAYS))
    points = base.mark_point(filled=True, size=60, opacity=1)
    layers.append(points.encode(y=y("value"), shape=charts.shape(palette, marks), description=SAYS))
    if isinstance(across.axis, Axis):
        keys = alt.Chart().transform_filter(charts.KEYS).mark_point(filled=True, size=60, opacity=1)
        at = {"x": alt.X("x:Q", scale=None, axis=None), "y": alt.Y("y:Q", scale=None, axis=None)}
        layers.append(keys.encode(**at, color=charts.colour(palette, marks), shape=charts.shape(palette, marks)))
    if len(marks) < len(rows):
        line = alt.Chart().transform_filter(charts.LIMIT).mark_line(color=GREY, strokeDash=[3, 3], strokeWidth=1.5)
        layers.insert(0, line.encode(x=x, y=y("value")))
    return charts.draw_panels([*layers, charts.texts()], [*rows, *words], plot)


def _names(panel: str, plane: Plane, plot: Plot, known: dict[str, str]) -> list[Row]:
    """The names at the ends of the lines of one panel, none over another."""
    across, up = plane.across, plane.up
    ends = {row["competitor"] if row["kind"] == "mark" else "": row for row in plane.rows if row["panel"] == panel}
    named = [label for label in ends if label in known]
    heights = spread([plot.height - up.place(ends[label]["value"], plot.height) for label in named], 0, plot.height)
    words = []
    for label, y in zip(named, heights, strict=True):
        x = across.place(ends[label][across.field], plot.width) + BESIDE
        if label and isinstance(across.axis, Axis):
            # Lines that end anywhere have their names at the edge, each after the mark of its line.
            x = plot.width + 2 * BESIDE
            words.append({"panel": panel, "kind": "key", "competitor": label, "x": plot.width + BESIDE, "y": y})
        words.append(charts.text(panel, x, y, known[label]))
    return words


def spread(heights: Sequence[float], lowest: float, highest: float) -> list[float]:
    """The heights moved apart as little as possible, in the same order, so that names there do not touch."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    groups: list[list[float]] = []
    for place, index in enumerate(order):
        groups.append([heights[index] - place * APART])
        while len(groups) > 1 and fmean(groups[-2]) > fmean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = [fmean(group) for group in groups for _ in group]
    last = highest - (len(order) - 1) * APART
    found = {index: max(lowest, min(moved[place], last)) + place * APART for place, index in enumerate(order)}
    return [round(found[index], 1) for index in range(len(heights))]
