"""The report's figures over many cases: one declarative specification each."""

import math
from collections.abc import Sequence

import altair as alt

from aggregator.analysis import CaseResult
from aggregator.charts import Palette, Row, draw
from aggregator.dot_plot import dot_plot, file_of, panels, row_of
from aggregator.fit_figures import fit_figures
from aggregator.model import Figure
from aggregator.order import natural
from aggregator.readings_figure import READINGS, readings
from aggregator.sides import ranked, shared_blocks
from aggregator.words import group, title
from method.compare import FIXED_ALPHA, interval_of_mean, paired, ratio
from method.statistic import items_per_second
from method.verdict import FEWEST_BLOCKS, Verdict


def figures(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> tuple[Figure, ...]:
    """Every figure that these cases fill; `prefix` tells the files of one part from another's."""
    found: list[Figure | None] = []
    workloads = [(workload, sorted(members, key=natural)) for workload, members in by_workload(cases)]
    for workload, members in workloads:
        found.append(_relative_time(workload, [case for case in members if not case.is_self], palette, prefix))
        if workload == "load":
            found.append(_throughput(members, palette, prefix))
        if workload == "fit":
            found += fit_figures(members, palette, prefix)
    for reading in READINGS:
        found += [readings(reading, workload, members, palette, prefix) for workload, members in workloads]
    return tuple(figure for figure in found if figure)


def _relative_time(workload: str, cases: list[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    rows = [row for case in cases for row in relative_rows(case)]
    if not rows:
        return None
    svg = dot_plot(rows, "time relative to the fastest side (1 = fastest, log scale)", palette, rule_at=1.0)
    caption = (
        "Fastest side of each case = 1; further right is slower. Lines are 95 % intervals over n blocks, paired with "
        "the fastest side."
    )
    if len(rows) < sum(bool(side.logs) for case in cases for side in case.sides):
        caption += (
            " Left out are cases with fewer than two paired blocks or differing work, and a side with fewer than "
            f"{FEWEST_BLOCKS} blocks beside two that have as many."
        )
    return Figure(f"{prefix}relative-time-{file_of(workload)}", f"Relative time: {title(workload)}", caption, svg)


def relative_rows(case: CaseResult) -> list[Row]:
    """Each ranked side's time relative to the fastest, over the blocks that all of them finished."""
    if any(found.incomparable for found in case.comparisons):
        return []
    ranking = ranked(case.sides)
    shared = shared_blocks(ranking)
    if len(ranking) < 2 or len(shared) < 2:
        return []
    best = ranking[0]
    alpha = next((found.paired.alpha for found in case.comparisons if found.paired), FIXED_ALPHA)
    unstable = any(found.verdict is Verdict.UNSTABLE for found in case.comparisons)
    rows = []
    for side in (side for side in case.sides if side in ranking):
        found = paired([side.logs[number] - best.logs[number] for number in shared], alpha)
        low, high = (found.log_ratio if end is None else end for end in (found.low, found.high))
        row = row_of(case, side, ratio(found.log_ratio), ratio(low), ratio(high))
        name = f"{row['case']}, n {found.n}" + f" ({Verdict.UNSTABLE})" * unstable
        rows.append({**row, "case": name})
    return rows


def _throughput(cases: list[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    rows = []
    for case in cases:
        for side in case.sides:
            rates = [math.log(items_per_second(record)) for record in side.ok.values()]
            if rates:
                middle = math.fsum(rates) / len(rates)
                low, high = interval_of_mean(rates) or (middle, middle)
                row = row_of(case, side, math.exp(middle), math.exp(low), math.exp(high))
                rows.append(
                    {
                        **row,
                        "workers": case.case.workers or 0,
                        "panel": f"{group(case.case)}, batch {case.case.batch_size}",
                    }
                )
    workers = sorted({row["workers"] for row in rows})
    if len(workers) < 2:
        return None  # one number a side: the table has it
    base = alt.Chart().encode(
        x=alt.X("workers:O", title="workers", sort=workers, axis=alt.Axis(labelAngle=0)), color=palette.colour(rows)
    )
    y = alt.Y("value:Q", title="images a second", scale=alt.Scale(zero=True))
    line = base.mark_line(strokeWidth=1.5).encode(y=y, strokeDash=palette.dash(rows))
    span = base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title="images a second"), y2="high:Q")
    point = base.mark_point(filled=True, size=80, opacity=1).encode(y=y, shape=palette.shape(rows))
    chart = (
        alt.layer(line, span, point)
        .properties(width=205, height=200)
        .facet(alt.Facet("panel:N", sort=panels(rows)), data=alt.NamedData("rows"), columns=3)
    )
    caption = (
        "Higher is better. A panel a stage, each containing the one before; lines at the points are 95 % intervals."
    )
    return Figure(f"{prefix}loader-throughput", "Loader throughput by workers", caption, draw(chart, rows=rows))


def by_workload(cases: Sequence[CaseResult]) -> list[tuple[str, list[CaseResult]]]:
    """The cases of each workload, in order of first appearance."""
    grouped: dict[str, list[CaseResult]] = {}
    for case in cases:
        grouped.setdefault(case.case.workload, []).append(case)
    return list(grouped.items())


def by_contest(cases: Sequence[CaseResult]) -> list[list[CaseResult]]:
    """The cases that may be counted together: of one workload, and doing the same work or not."""
    grouped: dict[tuple[str, str], list[CaseResult]] = {}
    for case in cases:
        grouped.setdefault((case.case.workload, case.case.track), []).append(case)
    return list(grouped.values())
