"""The figure of a part of a source: a panel for each network, batch or stage, a mark for each framework and setting."""

import math

from aggregator.base.text import clean
from aggregator.published.numbers import Numbers, Setting
from aggregator.published.source import worded
from aggregator.report.figures.axes import amounts, ratios
from aggregator.report.figures.charts import WHO
from aggregator.report.figures.dot_plot import dot_plot
from aggregator.report.figures.style import Palette, Row
from aggregator.report.model import Figure
from runners.harness.case import Competitor


def published_figure(numbers: Numbers, part: Setting, palette: Palette) -> Figure | None:
    """The value that the source draws, or the ratio to the baseline; None if there is no such number."""
    source = numbers.source
    drawn = next((value for value in source.values if value.name == source.drawn), None)
    if drawn:
        shown = {name: numbers.table[drawn.name, name] for name in numbers.frameworks}
        axis = f"{drawn.name}, {drawn.unit}" if drawn.unit == "s" else "images per second"
        caption = f"Further {'left' if drawn.ratio > 0 else 'right'} is faster. Every mark is one run."
    else:
        others = [name for name in numbers.frameworks if name != numbers.baseline]
        shown = {name: numbers.ratios(name, numbers.baseline, source.values[0]) for name in others}
        axis = f"times as fast as {clean(numbers.baseline, 60)} (log scale)"
        caption = "Further right is faster; a mark beyond 1 is faster than the baseline. Every mark is one run."
    title = source.title_of(part) or axis
    rows: list[Row] = []
    for setting in numbers.settings:
        words = {
            one: worded(one, text) for one, text in zip(source.settings, setting, strict=True) if one in source.rows
        }
        where = {"workload": title, "panel": words.pop(source.panel), "case": ", ".join(words.values()), "kind": "mark"}
        for name, series in shown.items():
            if not math.isnan(value := float(series[setting])):
                who = {"competitor": clean(name, 60), WHO: Competitor(name, "")}
                rows.append({**where, **who, "value": value, "low": value, "high": value})
    if not rows:
        return None
    values = [row["value"] for row in rows]
    ticks = amounts(values) if drawn else ratios(values)
    file = "-".join(("published", source.name, *part))
    return dot_plot(file, "Published", caption, rows, ticks, axis, palette)
