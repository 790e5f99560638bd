"""Drawing style: colours and shapes per competitor, and Vega-Lite to SVG."""

import re
from collections.abc import Sequence
from typing import Any

import altair as alt
import vl_convert

from aggregator.words import clean

# Okabe & Ito's colour-blind-safe palette, without its yellow (unseen on white) and black (unseen on dark).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 1], [1, 3])
INK, GREY = "#444444", "#8a8a8a"
WIDTH = 560
LEGEND = alt.Legend(title=None, orient="top", symbolSize=90, labelLimit=400)
Row = dict[str, Any]


class Palette:
    """Gives every competitor of the report one colour, one shape and one dash pattern."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = list(dict.fromkeys(clean(label, 60) for label in labels))

    def shown(self, rows: Sequence[Row]) -> list[str]:
        """The competitors that occur in `rows`, in the report's order."""
        present = {row["competitor"] for row in rows}
        return [label for label in self._labels if label in present]

    def colour(self, rows: Sequence[Row]) -> alt.Color:
        """Colour by competitor."""
        return alt.Color("competitor:N", legend=LEGEND, scale=self._scale(rows, COLOURS))

    def shape(self, rows: Sequence[Row]) -> alt.Shape:
        """Shape by competitor."""
        return alt.Shape("competitor:N", legend=LEGEND, scale=self._scale(rows, SHAPES))

    def dash(self, rows: Sequence[Row]) -> alt.StrokeDash:
        """Dash pattern by competitor."""
        return alt.StrokeDash("competitor:N", legend=LEGEND, scale=self._scale(rows, DASHES))

    def _scale(self, rows: Sequence[Row], values: Sequence[Any]) -> alt.Scale:
        shown = self.shown(rows)
        chosen = [values[self._labels.index(label) % len(values)] for label in shown]
        return alt.Scale(domain=shown, range=chosen)


def draw(chart: Any, **data: Sequence[Row]) -> str:
    """The chart as SVG, its named data filled in afterwards: Altair would check every row of it."""
    spec = chart.to_dict()
    spec["datasets"] = {name: list(rows) for name, rows in data.items()}
    spec["config"] = CONFIG
    spec["background"] = "white"
    svg: str = vl_convert.vegalite_to_svg(spec, vl_version=alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0])
    return _short_numbers(svg)


def _short_numbers(svg: str) -> str:
    """Two decimals are a hundredth of a pixel; the rest only makes the page heavy."""
    return re.sub(r"(\.\d\d)\d+(?![^<]*</text>)", r"\1", svg)


CONFIG: Row = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "gridColor": "#dddddd", "domainColor": GREY, "tickColor": GREY,
        "labelLimit": 260, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
    },
    "header": {"labelColor": INK, "labelFontSize": 12, "labelFontWeight": "bold", "title": None, "labelLimit": 300},
    "legend": {"labelColor": INK, "labelFontSize": 11},
}  # fmt: skip
