"""One shape of figure for every source: a value along an axis, a panel for each network, batch or stage."""

from collections.abc import Sequence

import altair as alt

from aggregator.base.text import clean
from aggregator.published.numbers import Numbers, Setting
from aggregator.published.source import COLUMNS, Source, shown
from aggregator.published.tables import part_title
from aggregator.report.figures.charts import SAYS, colour, dash, draw, panels, shape
from aggregator.report.figures.style import GREY, Palette, Row
from aggregator.report.model import Figure

WIDTH, HEIGHT, COLUMNS_OF_PANELS = 205, 200, 3
LEGEND = alt.Legend(orient="top", title=None, labelLimit=300)


def published_figure(numbers: Numbers, part: Setting) -> Figure:
    """The numbers of a part: the value that its source draws, or the ratio to the baseline."""
    source = numbers.source
    drawn = next((value for value in source.values if value.name == source.drawn), None)
    rows = []
    for setting, row in numbers.cells.items():
        for name, cell in row.items():
            ratio = numbers.ratio(setting, name, numbers.baseline, source.values[0])
            value = cell[drawn.name] if drawn else ratio if name != numbers.baseline else None
            if value is not None:
                where = place(source, setting, (source.panel,))
                label = ", ".join((clean(name, 40), *line_words(source, setting)))
                rows.append({**where, "competitor": label, "of": name, "value": value, "low": value, "high": value})
    labels = list(dict.fromkeys((row["of"], row["competitor"]) for row in rows))
    if drawn:
        axis = f"{drawn.name}, {drawn.unit}" if drawn.unit == "s" else "images per second"
        caption = f"{'Lower' if drawn.ratio > 0 else 'Higher'} is better."
    else:
        axis = f"times as fast as {clean(numbers.baseline, 60)} (log scale)"
        caption = "Higher is better; a point above 1 is faster than the baseline."
    title = part_title(part, source.parts)
    name = "-".join(("published", source.name, *part))
    svg = lines(source, rows, axis, Palette([("", labels)]), ratios=drawn is None)
    return Figure(name, f"Published: {title or axis}", caption + " Every point is one run.", svg)


def place(source: Source, setting: Setting, panel: Sequence[str]) -> Row:
    """The panel of a setting, and its place along the axis."""
    values = dict(zip(source.settings, setting, strict=True))
    along = [
        (shown(name, values[name]), int(values[name] or 0) or 10**9 * (values[name] == "")) for name in source.along
    ]
    return {
        "panel": ", ".join(_worded(name, values[name]) for name in panel),
        "case": ", ".join(text for text, _ in along),
        "order": [number for _, number in along],
    }


def line_words(source: Source, setting: Setting) -> list[str]:
    """What distinguishes a line besides its framework: `cache`, `no cache`."""
    values = dict(zip(source.settings, setting, strict=True))
    return [name if values[name] == "yes" else f"no {name}" for name in source.lines]


def _worded(name: str, value: str) -> str:
    return f"batch {value}" if name == "batch_size" else shown(name, value)


def lines(source: Source, rows: Sequence[Row], axis: str, palette: Palette, ratios: bool) -> str:
    """The figure; a row with `hollow` is a published number beside ours, and one whose ends differ has an interval."""
    ordered = [row["case"] for row in sorted(rows, key=lambda row: row["order"])]
    named = " · ".join(COLUMNS.get(name, name) for name in source.along)
    axis_x = alt.Axis(labelAngle=0 if len(source.along) == 1 else -90)
    x = alt.X("case:O", title=named, sort=list(dict.fromkeys(ordered)), axis=axis_x)
    scale = alt.Scale(type="log", nice=False, padding=10) if ratios else alt.Scale(zero=True)
    y = alt.Y("value:Q", title=axis, scale=scale)
    base = alt.Chart().encode(x=x, color=colour(palette, rows).legend(LEGEND))
    line = base.mark_line(strokeWidth=1).encode(y=y, strokeDash=dash(palette, rows).legend(LEGEND))
    span = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", title=axis, scale=scale), y2="high:Q", description=SAYS
    )
    points = [
        base.transform_filter(f"{no}datum.hollow")
        .mark_point(filled=bool(no), size=60, opacity=1)
        .encode(y=y, shape=shape(palette, rows).legend(LEGEND), description=SAYS)
        for no in ("!", "")
        if no or any(row.get("hollow") for row in rows)
    ]
    layers = [line, span, *points]
    if ratios:
        layers.insert(0, alt.Chart().mark_rule(color=GREY, strokeDash=[3, 3]).encode(y=alt.datum(1)))
    drawn = [{key: value for key, value in row.items() if key not in ("order", "of")} for row in rows]
    facet = alt.Facet("panel:N", sort=panels(drawn))
    sized = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
    return draw(sized.facet(facet, data=alt.NamedData("rows"), columns=COLUMNS_OF_PANELS), rows=drawn)
