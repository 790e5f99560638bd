"""A figure with a row for each case and side, as most figures of a report are."""

import hashlib
import math
from collections.abc import Sequence

import altair as alt

from aggregator.base.case_names import TITLES, digest, group, parameters
from aggregator.base.quantities import significant
from aggregator.judge.analysis import CaseResult
from aggregator.judge.sides import Side
from aggregator.report.figures.charts import ABOUT, SAYS, colour, draw, panels, shape
from aggregator.report.figures.style import GREY, WIDTH, Palette, Row
from aggregator.report.figures.svg import OF_CASE

ROW_HEIGHT = 11
FEWEST_TICKS = 4


def row_of(case: CaseResult, side: Side, value: float, low: float, high: float) -> Row:
    """A value of one side of a case with the ends of its line, in the panel of its network or stage."""
    panel, name = group(case.case), parameters(case.case)
    values = {"value": value, "low": low, "high": high}
    return {"panel": panel, "case": name, "competitor": side.name, **values, **about(case, side, **values)}


def about(case: CaseResult, side: Side, value: float, low: float | None = None, high: float | None = None) -> Row:
    """The text that a mark shows under the pointer."""
    ends = "" if low is None or high is None or low == high else f" ({significant(low, 3)}–{significant(high, 3)})"
    where = f"{side.name}, {group(case.case)} {parameters(case.case)}"
    return {ABOUT: f"{OF_CASE}{digest(case.case)} {where}: {significant(value, 3)}{ends}"}


def dot_plot(rows: list[Row], axis: str, palette: Palette, rule_at: float | None = None) -> str:
    """A row for each case and side, a panel for each network or stage; the interval is a line, the value a shape."""
    scale, ticks = alt.Scale(type="log", nice=False, padding=12), _ticks(rows)

    def x(field: str) -> alt.X:
        return alt.X(field, title=axis, scale=scale, axis=ticks)

    y, offset = alt.Y("case:N", title=None, sort=None), alt.YOffset("competitor:N", sort=palette.shown(rows))
    base = alt.Chart().encode(y=y, yOffset=offset, color=colour(palette, rows), description=SAYS)
    lines = base.mark_rule(strokeWidth=2).encode(x=x("low:Q"), x2="high:Q")
    at = base.encode(x=x("value:Q"), shape=shape(palette, rows))
    layers = [lines, at.transform_filter("!datum.hollow").mark_point(filled=True, size=70, opacity=1)]
    if any(row.get("hollow") for row in rows):
        layers.append(at.transform_filter("datum.hollow").mark_point(filled=False, size=70, opacity=1))
    marks = [] if rule_at is None else [{"at": rule_at}]
    if marks:
        # Its data are its own: of the rows' data it would be drawn once a row.
        rule = alt.Chart(alt.NamedData("marks")).mark_rule(color=GREY, strokeDash=[3, 3])
        layers.insert(0, rule.encode(x=x("at:Q")))
    height = alt.Step(ROW_HEIGHT, **{"for": "offset"})
    faceted = (
        alt.layer(*layers)
        .properties(width=WIDTH, height=height)
        .facet(
            data=alt.NamedData("rows"),
            row=alt.Row("panel:N", sort=panels(rows), header=alt.Header(labelAngle=0, labelOrient="top")),
        )
    )
    return draw(faceted.resolve_scale(y="independent"), rows=rows, marks=marks)


def _ticks(rows: Sequence[Row]) -> alt.Axis:
    """Ticks at 1, 2 and 5 of each decade, where these are enough; Vega would draw nine a decade in every panel."""
    low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5) if low <= digit * 10.0**decade <= high]
    return alt.Axis(values=ticks) if len(ticks) >= FEWEST_TICKS else alt.Axis()


def file_of(workload: str) -> str:
    """The workload in a file's name; an unknown workload could be any text."""
    return workload if workload in TITLES else hashlib.sha256(workload.encode()).hexdigest()[:8]
