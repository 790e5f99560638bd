"""Comparisons without an answer: how many more blocks an answer needs, and how to get it."""

import math
from collections.abc import Iterable, Sequence

from aggregator.base.quantities import count, percent
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult, Comparison, Environment
from method.verdict import MOST_BLOCKS, SMALLEST_DIFFERENCE, Obstacle, Verdict

NEAR = 40
"""The report does not advise to add more blocks than these."""
A_WHILE = 20 * 60.0
"""Seconds: the report advises a longer time only if a single answer takes longer."""
SPARE = 1.5
"""The advised budget is the expected time of the blocks times this factor."""


def open_comparisons(cases: Iterable[CaseResult]) -> list[tuple[CaseResult, Comparison]]:
    """The undecided comparisons with their cases."""
    return [(result, found) for result in cases for found in result.comparisons if found.verdict is Verdict.UNDECIDED]


def going_on(env: Environment, cases: Sequence[CaseResult]) -> tuple[str, ...]:
    """How to get the missing answers; empty if none is missing."""
    undecided, plan = open_comparisons(cases), env.run.plan
    if not undecided or plan is None:
        return ()
    are = "is" if len(undecided) == 1 else "are"
    said = f"{count(len(undecided), 'comparison')} {are} undecided; the table above has the bounds."
    near = [(result, more) for result, found in undecided if 0 < (more := _blocks(found)) <= NEAR]
    if not near:
        return (f"{said} {NEAR} more blocks are not expected to answer any of them.",)
    if plan.stopping is None:
        most = max(max(len(side.ok) for side in result.sides) + more for result, more in near)
        return (
            said,
            f"A new run with `BLOCKS={most}` is expected to answer {len(near)} of "
            f"{count(len(undecided), 'undecided comparison')}. The number of blocks of this run was fixed, so that "
            "blocks cannot be added.",
        )
    answers, seconds = _soonest(near)
    return (
        said,
        f"About {_minutes(seconds)} more min of this run on this machine are expected to answer {answers} of "
        f"{count(len(undecided), 'undecided comparison')}: "
        f"`make bench RUN={clean(env.run.name, 80)} BUDGET={_minutes(SPARE * seconds)}m`.",
    )


def _soonest(near: Sequence[tuple[CaseResult, int]]) -> tuple[int, float]:
    """How many answers A_WHILE brings if the run continues with the soonest first, and how many seconds they take."""
    spent: dict[int, float] = {}
    answers, seconds = 0, 0.0
    for result, more in sorted(near, key=lambda one: _seconds(*one)):
        in_all = seconds + _seconds(result, more) - spent.get(id(result), 0.0)
        if answers and in_all > A_WHILE:
            break
        answers, seconds, spent[id(result)] = answers + 1, in_all, _seconds(result, more)
    return answers, seconds


def _seconds(result: CaseResult, blocks: int) -> float:
    return blocks * sum(side.seconds_a_replicate for side in result.sides)


def _blocks(comparison: Comparison) -> int:
    """How many more blocks a comparison needs; 0 if no number of blocks helps."""
    more = comparison.judged.missing if comparison.judged else None
    return more if isinstance(more, int) else 0


def missing(comparison: Comparison) -> str:
    """How many more blocks would settle the comparison, or why blocks do not settle it."""
    what = comparison.judged.missing if comparison.judged else None
    if isinstance(what, int):
        return f"about {count(what, 'more block')} would settle it"
    if what is Obstacle.NEAR:
        return f"the difference is too close to {percent(SMALLEST_DIFFERENCE)} to be settled"
    if what is Obstacle.DRIFT:
        return "one side drifted against the other while they were measured, and more blocks do not change that"
    return f"an answer needs more than {MOST_BLOCKS} blocks"


def _minutes(seconds: float) -> int:
    return max(1, math.ceil(seconds / 60))


def answered(cases: Sequence[CaseResult]) -> str:
    """The first line of a report: how many comparisons have an answer, and after how many blocks."""
    found = [one for result in cases for one in result.comparisons if not one.is_self]
    if not found:
        return ""
    answers = [one for one in found if one.winner or one.verdict is Verdict.EQUIVALENT]
    blocks = sorted(one.paired.n for one in answers if one.paired)
    after = f", after {blocks[0]} to {blocks[-1]} blocks" if blocks and blocks[0] < blocks[-1] else ""
    same = f", after {count(blocks[0], 'block')}" if blocks and blocks[0] == blocks[-1] else ""
    return f"{len(answers)} of {count(len(found), 'comparison')} answered{after or same}."
