"""The roofline plot: operations per byte against operations per second, with both limits of the machine."""

from collections.abc import Sequence

from aggregator.base.case_names import group, title
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import natural
from aggregator.judge.means import geometric_mean
from aggregator.judge.roofline import COPY_PRECISION, Rate, Roof, Unknown
from aggregator.report.figures.axes import logarithmic
from aggregator.report.figures.charts import panels
from aggregator.report.figures.compose import FEWEST_MARKS
from aggregator.report.figures.dot_plot import row_of
from aggregator.report.figures.line_plot import Across, Plane, line_figure
from aggregator.report.figures.style import Palette, Row
from aggregator.report.model import Figure

CAPTION = (
    "Each point is a side of a case. Further up is faster. The grey line is the limit of the machine: its best copy in "
    "memory on the slope, its best matrix product on the level part."
)


def roofline_figures(cases: Sequence[CaseResult], roof: Roof, palette: Palette) -> list[Figure]:
    """A figure for each workload, device and precision that has both limits, a panel a network."""
    groups: dict[tuple[str, str, str], list[CaseResult]] = {}
    for result in sorted(cases, key=natural):
        groups.setdefault((result.case.workload, result.case.device, result.case.precision), []).append(result)
    found: list[Figure] = []
    for (workload, device, precision), members in groups.items():
        product, copy = roof.products.get((device, precision)), roof.copies.get((device, COPY_PRECISION))
        rows = [row for case in members for row in _points(case, roof)]
        if len(rows) >= FEWEST_MARKS and product and copy:
            name = f"Roofline: {title(workload)}, {clean(precision, 40)}, {device.upper()}"
            plane = _plane([*rows, *_ceiling(rows, product, copy)])
            limit = "limit of the machine"
            file = f"roofline-{len(found) + 1}"
            found.append(line_figure(file, name, CAPTION, [plane], palette, limit, joined=False))
    return found


def _points(result: CaseResult, roof: Roof) -> list[Row]:
    limit = roof.attainable(result)
    if isinstance(limit, Unknown):
        return []
    rows = []
    for side in (side for side in result.sides if side.logs):
        speed = limit.flops / geometric_mean(list(side.logs.values())).value / 1e9
        rows.append(row_of(result, side, speed, panel=group(result.case), intensity=limit.intensity))
    return rows


def _ceiling(rows: Sequence[Row], product: Rate, copy: Rate) -> list[Row]:
    """Both limits as one line, from left of the first point to right of the last, in each panel."""
    ridge = product.per_second / copy.per_second
    ends = [row["intensity"] for row in rows] + [ridge]
    places = [min(ends) / 1.5, ridge, max(ends) * 1.5]
    heights = [min(product.per_second, place * copy.per_second) / 1e9 for place in places]
    line = [{"kind": "limit", "intensity": x, "value": y} for x, y in zip(places, heights, strict=True)]
    return [{**point, "panel": panel} for panel in panels(rows) for point in line]


def _plane(rows: Sequence[Row]) -> Plane:
    intensity = logarithmic([row["intensity"] for row in rows])
    across = Across("intensity", "operations per byte, FLOP/B (log scale)", intensity)
    return Plane(rows, across, logarithmic([row["value"] for row in rows]), "GFLOP/s (log scale)")
