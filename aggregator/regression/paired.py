"""Two competitors of one run, block by block: which of them is slower, and is it by more than the threshold?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from aggregator.base.case_names import labels
from aggregator.base.quantities import DASH, count, percent, ratio_and_interval
from aggregator.judge.analysis import Comparison, Environment, compare_sides, design_of, judged
from aggregator.regression.findings import Findings
from aggregator.regression.sides import Opposed, oppose
from aggregator.report.answers import notes
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Cell, Table
from method.compare import ratio
from method.verdict import SMALLEST_DIFFERENCE, Verdict

TESTED = (Verdict.FASTER, Verdict.SLOWER, Verdict.EQUIVALENT, Verdict.UNDECIDED)
COLUMNS = ("case", "HEAD ÷ BASE", "95 % interval", "blocks", "finding")


class Finding(StrEnum):
    """What the blocks say of HEAD against the threshold; `OPEN` is no proof that nothing is there."""

    REGRESSION = "REGRESSION"
    IMPROVEMENT = "improvement"
    WITHIN = "no regression beyond the threshold"
    OPEN = "no regression shown, none ruled out"


def finding(comparison: Comparison, threshold: float) -> Finding | None:
    """What a judged comparison of BASE (left) with HEAD says, or None where it came to no test.

    `threshold` is a share of BASE's time, 0.05 for 5 %. A regression is a verdict (significant after Holm's adjustment,
    and large enough to matter) whose whole interval lies beyond it, and so is an improvement.
    """
    found, limit = comparison.paired, math.log1p(threshold)
    if comparison.verdict not in TESTED or found is None or found.low is None or found.high is None:
        return None
    if comparison.verdict is Verdict.SLOWER and found.low > limit:
        return Finding.REGRESSION
    if comparison.verdict is Verdict.FASTER and found.high < -limit:
        return Finding.IMPROVEMENT
    return Finding.WITHIN if found.high <= limit else Finding.OPEN


def counted(environments: Sequence[Environment]) -> list[Environment]:
    """The environments with the cases that count in the gate: what the machine can do is nobody's merit."""
    return [replace(env, cases=tuple(case for case in env.cases if not case.is_roof)) for env in environments]


def compare(environments: Sequence[Environment], names: Mapping[str, str], threshold: float) -> Findings:
    """BASE's competitor against HEAD's in every environment of their run."""
    rows = [
        (index, met) for index, env in enumerate(environments, 1) for met in oppose([env], [env], names) if met.compared
    ]
    found = judged([_comparison(met, environments[index - 1]) for index, met in rows])
    said = [finding(comparison, threshold) for comparison in found]
    titles, footnotes = labels(met.case for _, met in rows), Footnotes()
    sides = dict.fromkeys(f"HEAD is {one.right.name}, BASE is {one.left.name}." for one in found)
    table = Table(
        " ".join(sides),
        COLUMNS,
        tuple(
            _row(f"{titles[met.case]}{f', environment {index}' * (len(environments) > 1)}", one, which, footnotes)
            for (index, met), one, which in zip(rows, found, said, strict=True)
        ),
        footnotes=footnotes.texts,
    )
    regressions, untested = said.count(Finding.REGRESSION), not any(said)
    return Findings(_summary(said, threshold), table, _reading(threshold), regressions, untested)


def _comparison(met: Opposed, env: Environment) -> Comparison:
    base, head = (next(side for side in sides if side.ok) for sides in (met.base, met.head))
    plan = env.run.plan
    index = next((i for i, one in enumerate(plan.cases) if one.case == met.case), None) if plan else None
    return compare_sides(met.case, base, head, design_of(plan, index))


def _row(title: str, comparison: Comparison, which: Finding | None, footnotes: Footnotes) -> tuple[Cell, ...]:
    found = comparison.paired
    marks = tuple(number for text in notes(comparison) for number in footnotes.mark(text))
    shown = (DASH, DASH)
    if found and found.low is not None and found.high is not None and not comparison.incomparable:
        shown = ratio_and_interval(ratio(found.log_ratio), ratio(found.low), ratio(found.high))
    verdict = comparison.verdict.value
    unjudged = verdict if comparison.verdict is Verdict.FEW_BLOCKS else f"no verdict: {verdict}"
    return (Cell(title), *map(Cell, shown), Cell(str(found.n if found else 0)), Cell(which or unjudged, "", marks))


def _summary(said: Sequence[Finding | None], threshold: float) -> tuple[str, ...]:
    tested = [which for which in said if which]
    lines = [
        f"{count(tested.count(Finding.REGRESSION), 'regression')} and "
        f"{count(tested.count(Finding.IMPROVEMENT), 'improvement')} beyond {_percent(threshold)} in "
        f"{count(len(said), 'comparison')}, of which {len(tested)} came to a test."
    ]
    if said and not tested:
        lines.append("Nothing was tested, so that the gate does not pass: the notes below the table say why.")
    undecided = tested.count(Finding.OPEN)
    if undecided:
        lines.append(
            f"{count(undecided, 'interval')} still {'reaches' if undecided == 1 else 'reach'} beyond "
            f"{_percent(threshold)}: a regression is not ruled out there. More blocks tell (`BLOCKS=`, `BUDGET=`)."
        )
    return tuple(lines)


def _reading(threshold: float) -> tuple[str, ...]:
    return (
        "BASE and HEAD were measured in one run, back to back in each block. A regression is a HEAD that is slower "
        f"after Holm's adjustment over all comparisons here, by {percent(SMALLEST_DIFFERENCE)} or more, and whose "
        f"whole 95 % interval lies above {1 + threshold:g}.",
    )


def _percent(threshold: float) -> str:
    return f"{100 * threshold:g} %"
