"""A figure of panels: for the page as they are, and for a file as one SVG with their headings and the legend."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from aggregator.report.figures.charts import WHO
from aggregator.report.figures.style import BESIDE, INK, OUTLINES, Palette, Row
from aggregator.report.figures.svg import SVG
from aggregator.report.model import Figure, Panel
from runners.harness.case import Competitor

COLUMNS, GAP, LINE, MARGIN = 2, 24, 18, 8
HEADING = 64
"""The most characters of a line of a heading in a file."""
FEWEST_MARKS = 3
"""A figure with fewer marks repeats the first screen and the tables."""
DIRECT = 3
"""Names stand beside the marks in panels of so many sides or fewer; more sides have a legend."""


def beside(
    rows: Sequence[Row], palette: Palette, key: Callable[[Row], Any] = itemgetter("panel"), most: int = DIRECT
) -> dict[Any, dict[str, str]]:
    """The names beside the marks by competitor, for each panel or what else `key` finds in a row.

    A panel with a long name, or with more than `most` names, is left out: it needs a legend.
    """
    found: dict[Any, dict[str, Competitor]] = {}
    for row in rows:
        found.setdefault(key(row), {})[row["competitor"]] = row[WHO]
    names = {}
    for place, who in found.items():
        labels = palette.order(who)
        names[place] = dict(zip(labels, palette.beside([who[label] for label in labels]), strict=True))
    return {
        place: known for place, known in names.items() if len(known) <= most and max(map(len, known.values())) <= BESIDE
    }


def figure(
    name: str, title: str, caption: str, panels: Sequence[Panel], palette: Palette, rows: Sequence[Row] = ()
) -> Figure:
    """The figure of these panels; `rows` are those of its legend, none where it has no legend."""
    made = tuple(replace(one, title=f"{title}: {one.heading}" if one.heading else title) for one in panels)
    who = {row["competitor"]: row[WHO] for row in rows}
    key = tuple((palette.readable(who[label]), palette.number(label)) for label in palette.order(who))
    return Figure(name, title, caption, _joined(made, key, palette), made, key)


def _joined(panels: Sequence[Panel], key: Sequence[tuple[str, int]], palette: Palette) -> str:
    drawn = [ElementTree.fromstring(panel.svg) for panel in panels]
    sizes = [[float(number) for number in one.get("viewBox", "0 0 1 1").split()[2:]] for one in drawn]
    width = max(size[0] for size in sizes)
    columns = min(COLUMNS, len(panels))
    total = MARGIN * 2 + columns * width + (columns - 1) * GAP
    root = Element(f"{{{SVG}}}svg")
    SubElement(root, f"{{{SVG}}}rect", width="100%", height="100%", fill="white")
    page = SubElement(root, f"{{{SVG}}}g", {"font-family": "sans-serif", "font-size": "12", "fill": INK})
    y = _legend(page, key, palette, total) if key else MARGIN
    placed = list(zip(panels, drawn, sizes, strict=True))
    for number in range(0, len(placed), columns):
        line = placed[number : number + columns]
        headings = [textwrap.wrap(panel.heading, HEADING, max_lines=2, placeholder=" …") for panel, _, _ in line]
        above = LINE * max(map(len, headings))
        for column, (_, svg, size) in enumerate(line):
            x = MARGIN + column * (width + GAP)
            for index, words in enumerate(headings[column]):
                _write(page, words, x, y + 12 + index * LINE, {"font-weight": "bold"})
            svg.attrib |= {"x": f"{x:g}", "y": f"{y + above:g}", "width": f"{size[0]:g}", "height": f"{size[1]:g}"}
            page.append(svg)
        y += above + max(size[1] for _, _, size in line) + MARGIN
    root.attrib |= {"width": f"{total:g}", "height": f"{y:g}", "viewBox": f"0 0 {total:g} {y:g}"}
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")


def _legend(page: Element, key: Sequence[tuple[str, int]], palette: Palette, width: float) -> float:
    """The names of the competitors in as many lines as necessary; returns where the panels begin."""
    x, y = float(MARGIN), MARGIN + LINE / 2
    for name, number in key:
        room = 34 + 6.5 * len(name)
        if x + room > width and x > MARGIN:
            x, y = float(MARGIN), y + LINE
        fill, outline = palette.marks[number]
        place = f"translate({x + 6:g},{y:g}) scale(5)"
        SubElement(page, f"{{{SVG}}}path", {"d": OUTLINES.get(outline, outline), "fill": fill, "transform": place})
        _write(page, name, x + 16, y + 4)
        x += room
    return y + LINE


def _write(page: Element, text: str, x: float, y: float, more: dict[str, str] | None = None) -> None:
    SubElement(page, f"{{{SVG}}}text", {"x": f"{x:g}", "y": f"{y:g}", **(more or {})}).text = text
