"""What is known of a comparison without an answer, and how to get one."""

import math
from collections.abc import Iterable, Sequence

from aggregator.comparison.analysis import CaseResult, Comparison, Environment
from aggregator.comparison.pace import seconds_a_block
from aggregator.text.quantities import count, percent, significant
from aggregator.text.words import clean
from method.compare import Paired, ratio
from method.verdict import MOST_BLOCKS, SMALLEST_DIFFERENCE, Obstacle, Verdict

TIMES = 1.995
"""From here on a ratio is said as `times as fast`, below it in per cent."""
NEAR = 40
"""More blocks than these nobody is advised to add."""
SPARE = 1.5
"""A budget that is advised holds so many times what the blocks are expected to take."""


def sentence(comparison: Comparison) -> str:
    """`tensorflow/graph is between 4 % slower and 7 % faster than pytorch/eager; about 12 more blocks`."""
    found = comparison.paired
    assert found is not None
    known = f"undecided: {clean(comparison.right.label, 80)} is {bounds(found)} {clean(comparison.left.label, 80)}"
    return f"{known}; {_missing(comparison)}"


def bounds(found: Paired) -> str:
    """Where B is beside A, by the ends of the interval of its time over A's."""
    if found.low is None or found.high is None:
        return "not yet bounded beside"
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
    near = [(result, more) for result, found in undecided if 0 < (more := _blocks(found)) <= NEAR]
    seconds, most = 0.0, 0
    for result in {id(result): result for result, _ in near}.values():
        more = max(blocks for of, blocks in near if of is result)
        seconds += more * (seconds_a_block(result) or 0.0)
        most = max(most, max(len(side.ok) for side in result.sides) + more)
    said = f"{count(len(undecided), 'comparison')} undecided; the bounds above hold."
    if not seconds:
        return (f"{said} None of them is expected to be answered by {NEAR} more blocks.",)
    few = f"{len(near)} of {count(len(undecided), 'undecided comparison')} expected to be answered"
    if plan.stopping is None:
        how = f"a new run with `BLOCKS={most}` (this run's number of blocks was fixed, and cannot be added to)"
        return (said, f"{few} by {how}.")
    budget = _minutes(SPARE * seconds)
    return (
        said,
        f"{few} in about {_minutes(seconds)} min here, if this run goes on: "
        f"`make bench RUN={clean(env.run.name, 80)} BUDGET={budget}m`.",
    )


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
