"""A figure with a row a case and side: what most figures of a report are."""

import hashlib
from collections.abc import Sequence

import altair as alt

from aggregator.analysis import CaseResult
from aggregator.charts import GREY, WIDTH, Palette, Row, draw
from aggregator.sides import Side
from aggregator.words import TITLES, clean, group, parameters

ROW_HEIGHT = 11


def row_of(case: CaseResult, side: Side, value: float, low: float, high: float) -> Row:
    """A value of one side of a case with the ends of its line, in the panel of its network or stage."""
    panel, name = group(case.case), parameters(case.case)
    return {"panel": panel, "case": name, "competitor": clean(side.label, 60), "value": value, "low": low, "high": high}


def dot_plot(rows: list[Row], axis: str, palette: Palette, rule_at: float | None = None) -> str:
    """A row a case and side, a panel a network or stage; interval as a line, value as the side's shape."""
    order = palette.shown(rows)
    scale = alt.Scale(type="log", nice=False, padding=12)
    height = alt.Step(ROW_HEIGHT, **{"for": "offset"})
    y = alt.Y("case:N", title=None, sort=None)
    offset = alt.YOffset("competitor:N", sort=order)
    base = alt.Chart().encode(y=y, yOffset=offset)
    lines = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title=axis, scale=scale), x2="high:Q", color=palette.colour(rows)
    )
    at = base.encode(x=alt.X("value:Q", title=axis, scale=scale), color=palette.colour(rows), shape=palette.shape(rows))
    layers = [lines, at.transform_filter("!datum.hollow").mark_point(filled=True, size=70, opacity=1)]
    if any(row.get("hollow") for row in rows):
        layers.append(at.transform_filter("datum.hollow").mark_point(filled=False, size=70, opacity=1))
    if rule_at is not None:
        layers.insert(0, alt.Chart().mark_rule(color=GREY, strokeDash=[3, 3]).encode(x=alt.datum(rule_at)))
    chart = alt.layer(*layers).properties(width=WIDTH, height=height)
    faceted = chart.facet(
        data=alt.NamedData("rows"),
        row=alt.Row("panel:N", sort=panels(rows), header=alt.Header(labelAngle=0, labelOrient="top")),
    )
    return draw(faceted.resolve_scale(y="independent"), rows=rows)


def panels(rows: Sequence[Row]) -> list[str]:
    """The panels of a figure, in the order of its cases."""
    return list(dict.fromkeys(row["panel"] for row in rows))


def file_of(workload: str) -> str:
    """The workload in a file's name; one that is not known could be any text."""
    return workload if workload in TITLES else hashlib.sha256(workload.encode()).hexdigest()[:8]
