"""Two competitors of one run, block by block: is HEAD slower than BASE by more than the threshold?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from aggregator.base.case_names import labels
from aggregator.base.quantities import DASH, count, percent, ratio_of
from aggregator.judge.analysis import Comparison, Environment, compare_sides, design_of, judged
from aggregator.regression.opposed import Opposed, oppose
from aggregator.regression.page import Findings
from aggregator.report.answers import notes
from aggregator.report.model import Cell, Table
from method.verdict import SMALLEST_DIFFERENCE, Verdict

TESTED = (Verdict.FASTER, Verdict.SLOWER, Verdict.EQUIVALENT, Verdict.UNDECIDED)
COLUMNS = ("case", "HEAD: times as fast as BASE", "95 % interval", "blocks", "finding")


class Change(StrEnum):
    """The result for HEAD; `OPEN` does not prove that there is no regression."""

    REGRESSION = "REGRESSION"
    IMPROVEMENT = "improvement"
    WITHIN = "no regression beyond the threshold"
    OPEN = "no regression shown, none ruled out"


def change(comparison: Comparison, threshold: float) -> Change | None:
    """The result of a judged comparison of BASE (left) with HEAD; None if it came to no test.

    `threshold` is a share of BASE's time, 0.05 for 5 %. A regression or an improvement is a verdict (significant after
    Holm's adjustment, and large enough to matter) whose whole interval lies beyond the threshold.
    """
    found, limit = comparison.paired, math.log1p(threshold)
    if comparison.verdict not in TESTED or found is None or found.low is None or found.high is None:
        return None
    if comparison.verdict is Verdict.SLOWER and found.low > limit:
        return Change.REGRESSION
    if comparison.verdict is Verdict.FASTER and found.high < -limit:
        return Change.IMPROVEMENT
    return Change.WITHIN if found.high <= limit else Change.OPEN


def counted(environments: Sequence[Environment]) -> list[Environment]:
    """The environments with the cases that count in the gate: all but those that measure the machine."""
    return [replace(env, cases=tuple(case for case in env.cases if not case.is_roof)) for env in environments]


def compare(environments: Sequence[Environment], names: Mapping[str, str], threshold: float) -> Findings:
    """BASE's competitor against HEAD's in every environment of their run."""
    rows = [
        (index, met) for index, env in enumerate(environments, 1) for met in oppose([env], [env], names) if met.compared
    ]
    found = judged([_comparison(met, environments[index - 1]) for index, met in rows])
    said = [change(comparison, threshold) for comparison in found]
    titles = labels(met.case for _, met in rows)
    sides = dict.fromkeys(f"HEAD is {one.right.name}, BASE is {one.left.name}." for one in found)
    table = Table(
        " ".join(sides),
        COLUMNS,
        tuple(
            _row(f"{titles[met.case]}{f', environment {index}' * (len(environments) > 1)}", one, which)
            for (index, met), one, which in zip(rows, found, said, strict=True)
        ),
    )
    regressions, untested = said.count(Change.REGRESSION), not any(said)
    return Findings(_summary(said, threshold), table, _reading(threshold), regressions, untested)


def _comparison(met: Opposed, env: Environment) -> Comparison:
    base, head = (next(side for side in sides if side.ok) for sides in (met.base, met.head))
    plan = env.run.plan
    index = next((i for i, one in enumerate(plan.cases) if one.case == met.case), None) if plan else None
    return compare_sides(met.case, base, head, design_of(plan, index))


def _row(title: str, comparison: Comparison, which: Change | None) -> tuple[Cell, ...]:
    found = comparison.paired
    text, interval = ("", "") if comparison.incomparable else ratio_of(found and found.swapped())
    verdict = comparison.verdict.value
    unjudged = verdict if comparison.verdict is Verdict.FEW_BLOCKS else f"no verdict: {verdict}"
    return (
        Cell(title),
        Cell(f"{text}×" if text else DASH),
        Cell(interval or DASH),
        Cell(str(found.n if found else 0)),
        Cell(which or unjudged, "", tuple(notes(comparison))),
    )


def _summary(said: Sequence[Change | None], threshold: float) -> tuple[str, ...]:
    tested = [which for which in said if which]
    lines = [
        f"{count(tested.count(Change.REGRESSION), 'regression')} and "
        f"{count(tested.count(Change.IMPROVEMENT), 'improvement')} beyond {_percent(threshold)} in "
        f"{count(len(said), 'comparison')}, of which {len(tested)} came to a test."
    ]
    if said and not tested:
        lines.append("No comparison came to a test, so that the gate does not pass: the notes below the table say why.")
    undecided = tested.count(Change.OPEN)
    if undecided:
        lines.append(
            f"{count(undecided, 'interval')} {'reaches' if undecided == 1 else 'reach'} beyond {_percent(threshold)}: "
            "a regression is not ruled out there. More blocks narrow the interval (`BLOCKS=`, `BUDGET=`)."
        )
    return tuple(lines)


def _reading(threshold: float) -> tuple[str, ...]:
    return (
        "BASE and HEAD were measured in one run, back to back in each block. Above 1, HEAD is faster. HEAD is a "
        f"regression if it is slower after Holm's adjustment over all comparisons here, by "
        f"{percent(SMALLEST_DIFFERENCE)} or more, and its whole 95 % interval lies below {1 / (1 + threshold):.4g}. "
        f"HEAD then takes more than {_percent(threshold)} longer than BASE.",
    )


def _percent(threshold: float) -> str:
    return f"{100 * threshold:g} %"
