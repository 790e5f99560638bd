"""A figure of a case's raw samples in run order, with the warm-up shaded.

The SVG is written here and not by Vega, unlike all other figures: a report has such a figure for every case, and for
170 cases Vega took 90 s and 4.6 MB.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from aggregator.base.quantities import significant
from aggregator.judge.analysis import CaseResult
from aggregator.report.figures.style import GREY, INK, WIDTH, Palette
from aggregator.report.model import Figure
from runners.harness.record import Record

LEFT, HEIGHT, LINE = 48, 120, 15
COLUMN = 6
"""Pixels of a bucket of steps; the fastest and the slowest step of a bucket are drawn."""
FILLED = 0.9
"""The share of a replicate's width that its line fills."""
AROUND, START, BEND = 950, 17, 5
"""About how many bytes a drawing needs without its lines, a replicate without its points, and a point."""


def samples_figure(
    result: CaseResult, name: str, title: str, palette: Palette, most_bytes: float = math.inf
) -> Figure | None:
    """The steps of every replicate, in run order; None if the case has no steps.

    The figure takes about `most_bytes`: if these are few, fewer steps are drawn, always with the fastest and slowest.
    """
    drawn = [(record, side.name) for record, side in result.in_run_order]
    if not drawn:
        return None
    return Figure(f"samples-{name}", f"Raw samples: {title}", "", _svg(drawn, palette, most_bytes))


def _svg(drawn: Sequence[tuple[Record, str]], palette: Palette, most_bytes: float) -> str:
    steps = [np.asarray(record.samples.step_ns if record.samples else [], dtype=float) for record, _ in drawn]
    logs = np.log(np.concatenate(steps))
    low, high = logs.min(), logs.max()
    heights = np.split((high - logs) * HEIGHT / (high - low or 1.0), np.cumsum([len(series) for series in steps[:-1]]))
    legend = _legend(palette.order([label for _, label in drawn]))
    top = max(y for _, y in legend.values()) + LINE
    place = WIDTH / len(drawn)
    affordable = ((most_bytes - AROUND) / len(drawn) - START) / (2 * BEND)
    buckets = max(1, int(min(affordable, max(2, place * FILLED / COLUMN))))
    size = {"width": str(LEFT + WIDTH), "height": str(top + HEIGHT + LINE // 2)}
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, "viewBox": f"0 0 {' '.join(size.values())}"})
    SubElement(root, "rect", width="100%", height="100%", fill="white")
    page = SubElement(root, "g", {"font-family": "sans-serif", "font-size": "11", "fill": INK})
    _write(page, "ms a step, log scale", 0, 10)
    for value, y in ((high, top + 8), (low, top + HEIGHT)):
        _write(page, significant(math.exp(value) / 1e6, 3), LEFT - 5, y, {"text-anchor": "end"})
    shades = "".join(_shade(LEFT + slot * place, top, place, record) for slot, (record, _) in enumerate(drawn))
    if shades:
        SubElement(page, "path", {"stroke": GREY, "stroke-opacity": ".25", "stroke-width": str(HEIGHT), "d": shades})
    for label, (x, y) in legend.items():
        lines = [
            _line(LEFT + slot * place, top, place, series, buckets)
            for slot, ((_, whose), series) in enumerate(zip(drawn, heights, strict=True))
            if whose == label
        ]
        dash = " ".join(map(str, palette.dash(label)))
        pen = {"fill": "none", "stroke": palette.colour(label), "stroke-dasharray": dash}
        SubElement(page, "path", {**pen, "d": f"M{x} {y - 4}h24{''.join(lines)}"})
        _write(page, label, x + 29, y)
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")


def _legend(labels: Sequence[str]) -> dict[str, tuple[int, int]]:
    """The places of the competitors' names above the drawing, in as many lines as necessary."""
    places, x, y = {}, 130, 10
    for label in labels:
        width = 50 + 7 * len(label)
        if x + width > LEFT + WIDTH and x > LEFT:
            x, y = LEFT, y + LINE
        places[label] = x, y
        x += width
    return places


def _write(page: Element, text: str, x: int, y: int, more: dict[str, str] | None = None) -> None:
    SubElement(page, "text", {"x": str(x), "y": str(y), **(more or {})}).text = text


def _line(start: float, top: int, width: float, heights: np.ndarray, buckets: int) -> str:
    """One replicate: a line in whole pixels, each point relative to the previous point."""
    drawn = _drawn_steps(heights, buckets)
    stretch = width * FILLED / len(heights)
    points = [(round(start + stretch * index), round(top + float(heights[index]))) for index in drawn]
    # A sign separates two numbers as a space does; only heights can be negative.
    bends = " ".join(f"{x2 - x1:d}{y2 - y1:+d}" for (x1, y1), (x2, y2) in pairwise(points)).replace("+", " ")
    return f"M{points[0][0]} {points[0][1]}l{bends}"


def _drawn_steps(heights: np.ndarray, buckets: int) -> Sequence[int]:
    """The steps that are drawn: all steps if they are few, else the lowest and the highest of each bucket."""
    if len(heights) <= 2 * buckets:
        return range(len(heights))
    ends = [len(heights) * bucket // buckets for bucket in range(buckets + 1)]
    found: list[int] = []
    for start, end in pairwise(ends):
        part = heights[start:end]
        found += sorted((start + int(part.argmin()), start + int(part.argmax())))
    return found


def _shade(start: float, top: int, width: float, record: Record) -> str:
    samples = record.samples
    if samples is None or not samples.warmup_steps:
        return ""
    shaded = max(1, round(width * FILLED * samples.warmup_steps / len(samples.step_ns)))
    return f"M{round(start)} {top + HEIGHT // 2}h{shaded}"
