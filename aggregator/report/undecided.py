"""What is known of a comparison without an answer, and how to get one."""

import math
from collections.abc import Iterable, Sequence

from aggregator.base.quantities import count, percent, significant
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult, Comparison, Environment
from method.compare import Paired, ratio
from method.verdict import MOST_BLOCKS, SMALLEST_DIFFERENCE, Obstacle, Verdict

TIMES = 1.995
"""From here on a ratio is said as `times as fast`, below it in per cent."""
NEAR = 40
"""More blocks than these nobody is advised to add."""
A_WHILE = 20 * 60.0
"""Seconds: what takes longer in all is advised only where nothing else is."""
SPARE = 1.5
"""A budget that is advised holds so many times what the blocks are expected to take."""


def sentence(comparison: Comparison) -> str:
    """`tensorflow/graph is between 4 % slower and 7 % faster than pytorch/eager; about 12 more blocks`."""
    found = comparison.paired
    assert found is not None
    known = f"undecided: {comparison.right.name} is {bounds(found)} {comparison.left.name}"
    return f"{known}; {_missing(comparison)}"


def bounds(found: Paired) -> str:
    """Where B is beside A, by the ends of the interval of its time over A's."""
    assert found.low is not None
    assert found.high is not None
    slow, fast = _bound(found.high), _bound(found.low)
    if "times" in slow + fast:
        return f"{significant(1 / ratio(found.high), 2)} to {significant(1 / ratio(found.low), 2)} times as fast as"
    return f"between {slow} and {fast} than"


def open_comparisons(cases: Iterable[CaseResult]) -> list[tuple[CaseResult, Comparison]]:
    """The undecided comparisons with their cases."""
    return [(result, found) for result in cases for found in result.comparisons if found.verdict is Verdict.UNDECIDED]


def going_on(env: Environment, cases: Sequence[CaseResult]) -> tuple[str, ...]:
    """How to get the answers that are still open; nothing where there is none."""
    undecided, plan = open_comparisons(cases), env.run.plan
    if not undecided or plan is None:
        return ()
    said = f"{count(len(undecided), 'comparison')} undecided; the bounds above hold."
    near = [(result, more) for result, found in undecided if 0 < (more := _blocks(found)) <= NEAR]
    if not near:
        return (f"{said} None of them is expected to be answered by {NEAR} more blocks.",)
    if plan.stopping is None:
        most = max(max(len(side.ok) for side in result.sides) + more for result, more in near)
        return (
            said,
            f"{len(near)} of {count(len(undecided), 'undecided comparison')} expected to be answered by a new run with "
            f"`BLOCKS={most}` (this run's number of blocks was fixed, and cannot be added to).",
        )
    answers, seconds = _soonest(near)
    return (
        said,
        f"{answers} of {count(len(undecided), 'undecided comparison')} expected to be answered in about "
        f"{_minutes(seconds)} min here, if this run goes on: "
        f"`make bench RUN={clean(env.run.name, 80)} BUDGET={_minutes(SPARE * seconds)}m`.",
    )


def _soonest(near: Sequence[tuple[CaseResult, int]]) -> tuple[int, float]:
    """How many answers a while brings, the soonest first as the run goes on, and how many seconds these take."""
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
    """How many more blocks it needs; 0 where no number of them helps."""
    more = comparison.judged.missing if comparison.judged else None
    return more if isinstance(more, int) else 0


def _missing(comparison: Comparison) -> str:
    what = comparison.judged.missing if comparison.judged else None
    if isinstance(what, int):
        return f"about {count(what, 'more block')} would settle it"
    if what is Obstacle.NEAR:
        return f"too near the {percent(SMALLEST_DIFFERENCE)} that matter"
    if what is Obstacle.DRIFT:
        return "the sides drifted apart while they were measured, which more blocks do not mend"
    return f"more than {MOST_BLOCKS} blocks would be needed"


def _bound(log_ratio: float) -> str:
    times = math.exp(abs(log_ratio))
    if times >= TIMES:
        return f"{significant(times, 2)} times"
    digits = 0 if times >= 1.095 else 1
    return f"{percent(times - 1, digits)} {'slower' if log_ratio > 0 else 'faster'}"


def _minutes(seconds: float) -> int:
    return max(1, math.ceil(seconds / 60))


def answered(cases: Sequence[CaseResult]) -> str:
    """The first line of a report: how many comparisons have an answer, after how many blocks."""
    found = [one for result in cases for one in result.comparisons if not one.is_self]
    if not found:
        return ""
    answers = [one for one in found if one.winner or one.verdict is Verdict.EQUIVALENT]
    blocks = sorted(one.paired.n for one in answers if one.paired)
    after = f", after {blocks[0]} to {blocks[-1]} blocks" if blocks and blocks[0] < blocks[-1] else ""
    same = f", after {count(blocks[0], 'block')}" if blocks and blocks[0] == blocks[-1] else ""
    return f"{len(answers)} of {count(len(found), 'comparison')} answered{after or same}."
