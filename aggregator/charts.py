"""Drawing style: colours and shapes per competitor, and Vega-Lite to SVG."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt
import vl_convert

from aggregator.words import clean

# Okabe & Ito's colour-blind-safe palette, without its yellow (unseen on white) and black (unseen on dark).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 1], [1, 3])
INK, GREY = "#444444", "#8a8a8a"
WIDTH = 680
LEGEND = alt.Legend(title=None, orient="top", symbolSize=90, labelLimit=400)
Row = dict[str, Any]
Named = tuple[str, str]
"""A framework, and the label of one of its competitors."""


class Palette:
    """Gives every competitor a colour, a shape and a dash pattern, alike wherever it is drawn.

    A framework's first competitor in each workload has the framework's own; no two of one workload share one.
    """

    def __init__(self, cases: Iterable[tuple[str, Sequence[Named]]]) -> None:
        workloads: dict[str, list[Named]] = {}
        for workload, competitors in cases:
            workloads.setdefault(workload, []).extend(competitors)
        everyone = list(dict.fromkeys(found for members in workloads.values() for found in members))
        frameworks = list(dict.fromkeys(framework for framework, _ in everyone))
        self._slots: dict[str, int] = {}
        for framework, name in everyone:
            rivals = {label for found in workloads.values() if (framework, name) in found for _, label in found}
            taken = {slot for label, slot in self._slots.items() if label in rivals}
            wishes = [frameworks.index(framework), *range(len(frameworks), len(frameworks) + len(everyone))]
            self._slots[name] = next(slot for slot in wishes if slot not in taken)
        self._slots = {clean(label, 60): slot for label, slot in self._slots.items()}

    def shown(self, rows: Sequence[Row]) -> list[str]:
        """The competitors that occur in `rows`, in the report's order."""
        present = {row["competitor"] for row in rows}
        return [label for label in self._slots if label in present]

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
        chosen = [values[self._slots[label] % len(values)] for label in shown]
        return alt.Scale(domain=shown, range=chosen)


def draw(chart: Any, **data: Sequence[Row]) -> str:
    """The chart as SVG, its named data filled in afterwards: Altair would check every row of it."""
    spec = chart.to_dict()
    spec["datasets"] = {name: list(rows) for name, rows in data.items()}
    spec["config"] = CONFIG
    spec["background"] = "white"
    svg: str = vl_convert.vegalite_to_svg(spec, vl_version=alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0])
    return _lighter(svg)


def _lighter(svg: str) -> str:
    """Drop what only makes a page heavy: coordinates beyond a tenth of a pixel, and labels of every single mark
    (the page labels a figure as a whole)."""
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r' (?:aria-[a-z]+|role|pointer-events)="[^"]*"', "", tag[0]), svg)
    return re.sub(r"(?<=\d)\.(\d)\d+(?![^<]*</text>)", r".\1", svg)


CONFIG: Row = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "gridColor": "#dddddd", "domainColor": GREY, "tickColor": GREY,
        "labelLimit": 260, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
    },
    "header": {
        "labelAnchor": "start", "labelColor": INK, "labelFontSize": 12, "labelFontWeight": "bold", "title": None,
        "labelLimit": 360, "labelPadding": 4,
    },
    "facet": {"spacing": 14},
    "legend": {"labelColor": INK, "labelFontSize": 11},
}  # fmt: skip
