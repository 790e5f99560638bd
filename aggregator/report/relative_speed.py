"""The figures of how the sides did: relative speed for every workload, and the figures of loaders and of fit."""

from collections.abc import Sequence

from aggregator.base.case_names import title
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import by_workload, natural
from aggregator.judge.sides import ranked
from aggregator.report.figures.dot_plot import dot_plot, file_of, row_of
from aggregator.report.figures.style import Palette, Row
from aggregator.report.fit.figures import fit_figures
from aggregator.report.loaders.figures import loader_figures
from aggregator.report.model import Figure
from method import drift
from method.compare import FIXED, paired, ratio
from method.pairs import shared_blocks
from method.verdict import FEWEST_BLOCKS, Verdict


def contest_figures(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> list[Figure]:
    """The figures of each workload; `prefix` distinguishes the files of different parts."""
    found: list[Figure | None] = []
    for workload, unordered in by_workload(cases):
        members = sorted(unordered, key=natural)
        found.append(_relative_speed(workload, [case for case in members if not case.is_self], palette, prefix))
        if workload == "load":
            found += loader_figures(members, palette, prefix)
        if workload == "fit":
            found += fit_figures(members, palette, prefix)
    return [figure for figure in found if figure]


def _relative_speed(workload: str, cases: list[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    rows = [row for case in cases for row in relative_rows(case)]
    if not rows:
        return None
    svg = dot_plot(rows, "times as fast as the slowest side of the case (log scale)", palette, rule_at=1.0)
    caption = (
        "How many times as fast each side is as the slowest side of its case; further right is faster. Lines are 95 % "
        "intervals over n blocks, paired with the slowest side."
    )
    if len(rows) < sum(bool(side.logs) for case in cases for side in case.sides):
        caption += (
            " Not drawn: cases with fewer than two paired blocks, cases in which the sides did different work, and "
            f"sides with fewer than {FEWEST_BLOCKS} blocks where two others have {FEWEST_BLOCKS} or more."
        )
    return Figure(f"{prefix}relative-speed-{file_of(workload)}", f"Relative speed: {title(workload)}", caption, svg)


def relative_rows(case: CaseResult) -> list[Row]:
    """Each ranked side's speed relative to the slowest, over the blocks that all of them finished."""
    if any(found.incomparable for found in case.comparisons):
        return []
    ranking = ranked(case.sides)
    shared = shared_blocks([side.logs for side in ranking])
    if len(ranking) < 2 or len(shared) < 2:
        return []
    slowest = ranking[-1]
    design = next((found.paired.design for found in case.comparisons if found.paired), FIXED)
    disturbed = any(found.verdict is Verdict.DISTURBED for found in case.comparisons)
    rows = []
    for side in (side for side in case.sides if side in ranking):
        apart = drift.between(side.drifts, slowest.drifts)
        differences = [slowest.logs[number] - side.logs[number] for number in shared]
        found = paired(differences, design, apart.bound if apart else 0.0)
        low, high = (found.log_ratio if end is None else end for end in (found.low, found.high))
        row = row_of(case, side, ratio(found.log_ratio), ratio(low), ratio(high))
        name = f"{row['case']}, n {found.n}" + f" ({Verdict.DISTURBED})" * disturbed
        rows.append({**row, "case": name})
    return rows
