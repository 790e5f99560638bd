"""Vega-Lite to SVG, and its channels that tell competitors apart."""

from collections.abc import Callable, Sequence
from typing import Any

import altair as alt
import vl_convert

from aggregator.report.figures.style import GREY, GRID, INK, Palette, Row
from aggregator.report.figures.svg import smaller

LEGEND = alt.Legend(title=None, orient="top", symbolSize=90, labelLimit=400, columns=4)
ABOUT = "about"
"""The field of a row with the text of its marks."""
SAYS = alt.Description(f"{ABOUT}:N")
MOST_NAMED = 60
"""In a drawing of more rows, marks have no text: the texts would take more bytes than the marks."""
LABEL_WIDTH, SHORT = 260, 40
"""Pixels that the label of a row may take, and characters that fit into them."""


def colour(palette: Palette, rows: Sequence[Row]) -> alt.Color:
    """Colour by competitor."""
    return alt.Color("competitor:N", legend=LEGEND, scale=_scale(palette.shown(rows), palette.colour))


def shape(palette: Palette, rows: Sequence[Row]) -> alt.Shape:
    """Shape by competitor."""
    return alt.Shape("competitor:N", legend=LEGEND, scale=_scale(palette.shown(rows), palette.shape))


def dash(palette: Palette, rows: Sequence[Row]) -> alt.StrokeDash:
    """Dash pattern by competitor."""
    return alt.StrokeDash("competitor:N", legend=LEGEND, scale=_scale(palette.shown(rows), palette.dash))


def _scale(labels: Sequence[str], look: Callable[[str], Any]) -> alt.Scale:
    return alt.Scale(domain=labels, range=[look(label) for label in labels])


def faceted(layers: Sequence[alt.Chart], rows: Sequence[Row], width: int, height: int, columns: int) -> alt.FacetChart:
    """The layers over the data `rows`, in a panel for each value of the field `panel`, in the order of the rows."""
    facet = alt.Facet("panel:N", sort=panels(rows))
    sized = alt.layer(*layers).properties(width=width, height=height)
    return sized.facet(facet, data=alt.NamedData("rows"), columns=columns)


def panels(rows: Sequence[Row]) -> list[str]:
    """The panels of a figure, in the order of its cases."""
    return list(dict.fromkeys(row["panel"] for row in rows))


def draw(chart: Any, **data: Sequence[Row]) -> str:
    """The chart as SVG, its named data filled in afterwards: Altair would check every row of it."""
    named = sum(ABOUT in row for rows in data.values() for row in rows) <= MOST_NAMED
    spec = chart.to_dict()
    spec["datasets"] = {
        name: [row if named else {key: value for key, value in row.items() if key != ABOUT} for row in rows]
        for name, rows in data.items()
    }
    # To hold every label against a limit takes longer than to draw the rest.
    long = any(len(row.get("case", "")) > SHORT for rows in data.values() for row in rows)
    spec["config"] = {**CONFIG, "axis": {**CONFIG["axis"], "labelLimit": LABEL_WIDTH if long else 0}}
    spec["background"] = "white"
    svg: str = vl_convert.vegalite_to_svg(spec, vl_version=alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0])
    return smaller(svg)


CONFIG: Row = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "gridColor": GRID, "domainColor": GREY, "tickColor": GREY,
        "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
    },
    "header": {
        "labelAnchor": "start", "labelColor": INK, "labelFontSize": 12, "labelFontWeight": "bold", "title": None,
        "labelLimit": 360, "labelPadding": 4,
    },
    "facet": {"spacing": 14},
    "legend": {"labelColor": INK, "labelFontSize": 11},
}  # fmt: skip
