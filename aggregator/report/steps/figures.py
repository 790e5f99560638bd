"""The roofline plot: operations per byte against operations per second, with both limits of the machine."""

from collections.abc import Sequence

from aggregator.base.case_names import group, title
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import natural
from aggregator.judge.means import geometric_mean
from aggregator.judge.roofline import COPY_PRECISION, Rate, Roof, Unknown
from aggregator.report.figures.charts import WHO, logarithmic, panels
from aggregator.report.figures.compose import FEWEST_MARKS, beside, figure
from aggregator.report.figures.dot_plot import about
from aggregator.report.figures.line_plot import Horizontal, line_panels
from aggregator.report.figures.style import Palette, Row
from aggregator.report.model import Figure

CAPTION = (
    "Each point is a side of a case. Further up is faster. The grey line is the limit of the machine: its best copy in "
    "memory on the slope, its best matrix product on the level part."
)


def roofline_figures(cases: Sequence[CaseResult], roof: Roof, palette: Palette, prefix: str) -> list[Figure]:
    """A figure for each workload, device and precision that has both limits, a panel a network."""
    groups: dict[tuple[str, str, str], list[CaseResult]] = {}
    for result in sorted(cases, key=natural):
        groups.setdefault((result.case.workload, result.case.device, result.case.precision), []).append(result)
    found: list[Figure] = []
    for (workload, device, precision), members in groups.items():
        product, copy = roof.products.get((device, precision)), roof.copies.get((device, COPY_PRECISION))
        rows = [row for case in members for row in _points(case, roof)]
        if len(rows) >= FEWEST_MARKS and product and copy:
            title_of = f"Roofline: {title(workload)}, {clean(precision, 40)}, {device.upper()}"
            found.append(
                _plot(f"{prefix}roofline-{len(found) + 1}", title_of, rows, _ceiling(rows, product, copy), palette)
            )
    return found


def _points(result: CaseResult, roof: Roof) -> list[Row]:
    limit = roof.attainable(result)
    if isinstance(limit, Unknown):
        return []
    sides = [side for side in result.sides if side.logs]
    levels = [geometric_mean(list(side.logs.values())).value for side in sides]
    return [
        {
            "panel": group(result.case),
            "competitor": side.name,
            WHO: side.competitor,
            "kind": "mark",
            "intensity": limit.intensity,
            "value": limit.flops / level / 1e9,
            **about(result, side, limit.flops / level / 1e9),
        }
        for side, level in zip(sides, levels, strict=True)
    ]


def _ceiling(rows: Sequence[Row], product: Rate, copy: Rate) -> list[Row]:
    """Both limits as one line, from left of the first point to right of the last, in each panel."""
    ridge = product.per_second / copy.per_second
    ends = [row["intensity"] for row in rows] + [ridge]
    places = [min(ends) / 1.5, ridge, max(ends) * 1.5]
    heights = [min(product.per_second, place * copy.per_second) / 1e9 for place in places]
    line = [{"kind": "limit", "intensity": x, "value": y} for x, y in zip(places, heights, strict=True)]
    return [{**point, "panel": panel} for panel in panels(rows) for point in line]


def _plot(name: str, title_of: str, rows: Sequence[Row], ceiling: Sequence[Row], palette: Palette) -> Figure:
    names, both = beside(rows, palette), [*rows, *ceiling]
    across = Horizontal(
        "intensity", "operations per byte, FLOP/B (log scale)", logarithmic([row["intensity"] for row in both])
    )
    up = logarithmic([row["value"] for row in both])
    limit = "limit of the machine"
    drawn = line_panels(both, across, up, "GFLOP/s (log scale)", palette, names, limit=limit, joined=False)
    unnamed = [row for row in rows if row["panel"] not in names]
    return figure(name, title_of, CAPTION, drawn, palette, unnamed)
