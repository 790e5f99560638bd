"""A figure with a row for each case and side: the value is a shape, its interval a line."""

import hashlib
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import altair as alt

from aggregator.base.case_names import TITLES, digest, group, heading, parameters
from aggregator.base.quantities import significant
from aggregator.judge.analysis import CaseResult
from aggregator.judge.sides import Side
from aggregator.report.figures import charts
from aggregator.report.figures.axes import Axis
from aggregator.report.figures.charts import ABOUT, CASE, MARKS, PANEL, SAYS, WHO, Plot
from aggregator.report.figures.compose import DIRECT, beside, figure
from aggregator.report.figures.style import GREY, Palette, Row
from aggregator.report.figures.svg import OF_CASE
from aggregator.report.model import Figure

LEFT, RIGHT = 152, 14
LANE, TIGHT, WORD, SPACE = 17, 7, 16, 5
"""Pixels of a side's line with its name and without, of a line of text, and between cases."""
FEW_IN_ALL = 6
"""So many cases are drawn in one panel."""
FEW = 3
"""In a panel of so many cases each side of each case has its name; in others, each side of the first case."""
SHORT = 19
"""The most characters of a case's name to the left of its marks; a longer name has a line of its own."""

LINE = 54
"""The most characters of a line of text."""
Names = dict[str, dict[str, str]]
"""The names of competitors, by panel, or by case where few cases are in one panel."""


def row_of(
    case: CaseResult, side: Side, value: float, low: float | None = None, high: float | None = None, **more: Any
) -> Row:
    """A mark for a value of one side of a case, with the ends of its line if it has one.

    It is in the panel of its workload and network or stage, if `more` names no other.
    """
    workload = heading(case.case.workload)
    ends = {} if low is None or high is None else {"low": low, "high": high}
    return {
        "kind": "mark",
        "workload": workload,
        "panel": f"{workload}: {group(case.case)}",
        "case": parameters(case.case),
        "competitor": side.name,
        WHO: side.competitor,
        "value": value,
        **ends,
        **about(case, side, value, low, high),
        **more,
    }


def about(case: CaseResult, side: Side, value: float, low: float | None = None, high: float | None = None) -> Row:
    """The text that a mark shows under the pointer, and its case."""
    ends = "" if low is None or high is None or low == high else f" ({significant(low, 3)}–{significant(high, 3)})"
    where = f"{side.name}, {group(case.case)} {parameters(case.case)}"
    return {CASE: digest(case.case), ABOUT: f"{OF_CASE}{digest(case.case)} {where}: {significant(value, 3)}{ends}"}


def dot_plot(name: str, title: str, caption: str, rows: list[Row], axis: Axis, words: str, palette: Palette) -> Figure:
    """A panel for each network or stage of a workload, all on one axis, which `words` are about; few cases are in one
    panel.

    A logarithmic axis is one of ratios.
    """
    workloads = {row["workload"] for row in rows}
    if len(workloads) == 1:
        said = f"{workloads.pop()}: "
        rows = [{**row, "panel": row["panel"].removeprefix(said)} for row in rows]
        title = f"{title}: {said[:1].lower()}{said[1:-2]}"
    few = cases_of(rows) <= FEW_IN_ALL
    if few:
        rows = [{**row, "panel": "", "case": f"{row['panel']}, {row['case']}"} for row in rows]
    rows = charts.in_panels(rows)
    key = itemgetter("case" if few else "panel")
    names = beside(rows, palette, key, len(rows) if few else DIRECT)
    unnamed = [row for row in rows if key(row) not in names]
    placed: list[Row] = []
    heights: dict[str, float] = {}
    headings: dict[str, str] = {}
    for panel, members in groupby(rows, key=itemgetter("panel")):
        found, heights[panel], alone = _placed(list(members), names, palette)
        placed += found
        headings[panel] = f"{panel}, {alone}" if alone else panel
    tallest = max(heights.values())
    # Marks stand on the axis, which is at the bottom of the plot.
    lower = {panel: tallest - height for panel, height in heights.items()}
    placed = [
        {**row, **{end: round(row[end] + lower[row["panel"]], 1) for end in ("y", "end") if end in row}}
        for row in placed
    ]
    placed += [
        {**row, "kind": "grid", "at": at}
        for row in placed
        for at in axis.ticks
        if row["kind"] == "rows" and row["end"] > row["y"]
    ]
    plot = Plot(PANEL - LEFT - RIGHT, round(tallest), LEFT, RIGHT)
    layers = _layers(placed, axis, words, palette)
    drawn = [replace(one, heading=headings[one.heading]) for one in charts.draw_panels(layers, placed, plot, heights)]
    return figure(name, title, caption, drawn, palette, unnamed)


def _placed(rows: list[Row], names: Names, palette: Palette) -> tuple[list[Row], float, str]:
    """The rows of a panel at their heights, with the names beside them; the panel's height; its case, if it is one."""
    found: list[Row] = []
    panel, y, start = rows[0]["panel"], 0.0, 0.0
    cases = [(case, list(members)) for case, members in groupby(rows, key=itemgetter("case"))]
    alone = len(cases) == 1 and panel
    for index, (case, members) in enumerate(cases):
        labels = palette.shown(members)
        known = names.get(panel or case)
        named = known and (index == 0 or len(cases) <= FEW or not panel)
        lane = LANE if named else max(TIGHT, WORD / len(labels))
        if not alone and (named or len(case) > SHORT):
            found.append({"panel": panel, "kind": "rows", "y": start, "end": y})
            for line in textwrap.wrap(case, LINE):
                found.append(charts.text(panel, -LEFT, y + WORD / 2, line))
                y += WORD
            start = y
        elif not alone:
            found.append(charts.text(panel, -LEFT, y + lane * len(labels) / 2, case))
        for label in labels:
            found += [{**row, "y": y + lane / 2} for row in members if row["competitor"] == label]
            if named and known:
                found.append(charts.text(panel, -9, y + lane / 2, known[label], "right"))
            y += lane
        y += SPACE
        if index + 1 < len(cases) and panel and not (known and len(cases) <= FEW):
            found.append({"panel": panel, "kind": "between", "y": y - SPACE / 2})
    found.append({"panel": panel, "kind": "rows", "y": start, "end": y})
    return found, y, cases[0][0] if alone else ""


def _layers(rows: list[Row], axis: Axis, words: str, palette: Palette) -> list[alt.Chart]:
    marks = [row for row in rows if row["kind"] == "mark"]
    written = "format(datum.value, '~r') + '×'" if axis.is_log else "format(datum.value, ',~r')"
    bottom = alt.Axis(
        values=list(axis.ticks), labelExpr=written, labelFlush=False, domain=False, ticks=False, grid=False
    )

    def x(field: str) -> alt.X:
        return alt.X(field, title=words, scale=charts.scale(axis), axis=bottom)

    y = alt.Y("y:Q", scale=None, axis=None)
    base = alt.Chart().transform_filter(MARKS).encode(y=y, color=charts.colour(palette, marks), description=SAYS)
    at = base.encode(x=x("value:Q"), shape=charts.shape(palette, marks))
    layers = [
        base.mark_rule(strokeWidth=2).encode(x=x("low:Q"), x2="high:Q"),
        at.transform_filter("!datum.hollow").mark_point(filled=True, size=60, opacity=1),
    ]
    if any(row.get("hollow") for row in marks):
        layers.append(at.transform_filter("datum.hollow").mark_point(filled=False, size=60, opacity=1))
    # The lines of the axis leave out the lines of text.
    grid = alt.Chart().transform_filter("datum.kind === 'grid'").mark_rule(color=GREY)
    start = alt.condition(f"datum.at === {1 if axis.is_log else 0}", alt.value(1), alt.value(0.35))
    grid = grid.encode(x=x("at:Q"), y=y, y2=alt.Y2("end:Q"), strokeOpacity=start)
    between = alt.Chart().transform_filter("datum.kind === 'between'").mark_rule(color=GREY, strokeOpacity=0.2)
    between = between.encode(y=y, x=alt.value(-LEFT), x2=alt.value(PANEL - LEFT - RIGHT))
    return [between, grid, *layers, charts.texts()]


def file_of(workload: str) -> str:
    """The workload in a file's name; an unknown workload could be any text."""
    return workload if workload in TITLES else hashlib.sha256(workload.encode()).hexdigest()[:8]


def cases_of(rows: Sequence[Row]) -> int:
    """How many cases have a mark."""
    return len({(row["panel"], row["case"]) for row in rows})
