"""The figures of how many times as fast each side is as the second fastest side of its case."""

from collections.abc import Sequence

from aggregator.base.quantities import count
from aggregator.judge.analysis import CaseResult
from aggregator.judge.sides import ranked
from aggregator.report.figures.axes import ratios
from aggregator.report.figures.dot_plot import cases_of, dot_plot, file_of, row_of
from aggregator.report.figures.style import Palette, Row
from aggregator.report.model import Figure
from method import drift
from method.compare import FIXED, paired, ratio
from method.pairs import shared_blocks
from method.verdict import FEWEST_BLOCKS, Verdict

STEPS = {"train", "infer", "scale"}


def relative_speed(cases: Sequence[CaseResult], palette: Palette) -> Figure | None:
    """The figure of these cases, of one workload or all of steps; None for one case, which is on the first screen."""
    contested = [case for case in cases if not case.is_self]
    rows = [row for case in contested for row in relative_rows(case)]
    if cases_of(rows) < 2:
        return None
    blocks = sorted({row["n"] for row in rows})
    over = count(blocks[0], "block") if len(blocks) == 1 else f"{blocks[0]} to {blocks[-1]} blocks"
    caption = (
        "How many times as fast each side is as the second fastest side of its case. Further right is faster. "
        f"Horizontal lines are 95 % intervals over {over}."
    )
    if len(rows) < sum(bool(side.logs) for case in contested for side in case.sides):
        caption += (
            f" Not drawn: cases with fewer than {FEWEST_BLOCKS} paired blocks, cases in which the sides did different "
            f"work, and sides with fewer than {FEWEST_BLOCKS} blocks where two others have {FEWEST_BLOCKS} or more."
        )
    workloads = {case.case.workload for case in contested}
    name = "steps" if workloads <= STEPS else file_of(contested[0].case.workload)
    title = "Relative speed of steps" if len({row["workload"] for row in rows}) > 1 else "Relative speed"
    axis = ratios([row[end] for row in rows for end in ("low", "high")])
    words = "times as fast as the second fastest side (log scale)"
    return dot_plot(f"relative-speed-{name}", title, caption, rows, axis, words, palette)


def relative_rows(case: CaseResult) -> list[Row]:
    """Each ranked side's speed relative to the case's reference, over the blocks that all of them finished."""
    if any(found.incomparable for found in case.comparisons):
        return []
    ranking = ranked(case.sides)
    shared = shared_blocks([side.logs for side in ranking])
    reference = case.reference
    if reference is None or reference not in ranking or len(shared) < FEWEST_BLOCKS:
        return []
    design = next((found.paired.design for found in case.comparisons if found.paired), FIXED)
    disturbed = any(found.verdict is Verdict.DISTURBED for found in case.comparisons)
    rows = []
    for side in (side for side in case.sides if side in ranking):
        apart = drift.between(side.drifts, reference.drifts)
        differences = [reference.logs[number] - side.logs[number] for number in shared]
        found = paired(differences, design, apart.bound if apart else 0.0)
        low, high = (found.log_ratio if end is None else end for end in (found.low, found.high))
        row = row_of(case, side, ratio(found.log_ratio), ratio(low), ratio(high))
        rows.append({**row, "case": row["case"] + f" ({Verdict.DISTURBED})" * disturbed, "n": found.n})
    return rows
