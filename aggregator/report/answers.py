"""One comparison as one line: which side is faster, by how much, with which interval, over how many blocks."""

import math

from aggregator.base.case_names import digest
from aggregator.base.quantities import DASH, count, percent, ratio_of
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult, Comparison
from aggregator.judge.sides import Side
from aggregator.report import undecided
from aggregator.report.figures.axes import Axis
from aggregator.report.model import Answer, Interval
from method.compare import Paired, ratio
from method.verdict import (
    DELTA,
    FEWEST_BLOCKS,
    SMALLEST_DIFFERENCE,
    Verdict,
    doubted_by_permutation,
)

ALONE = "nothing to compare"
"""The outcome of a case that only one competitor ran: no competitor is missing, and none could win."""
WIDEST = math.log(16)
"""The largest end of the small axis, unless a ratio is larger still; an interval beyond it is drawn up to the edge."""


def answer(comparison: Comparison, case: str, anchor: str, axis: Axis | None) -> Answer:
    """The line for one comparison, with its mark on the part's small axis."""
    shown, slow, fast = turned(comparison)
    text, interval = ratio_text(shown, comparison.verdict)
    return Answer(
        case=case,
        digest=digest(comparison.case),
        anchor=anchor,
        kind=_kind(comparison),
        verdict=sentence(comparison),
        compared=f"{fast.name} compared with {slow.name}",
        ratio=text,
        interval=interval,
        blocks=str(comparison.paired.n) if comparison.paired else DASH,
        notes=tuple(notes(comparison)),
        mark=_mark(shown, axis) if text and axis else None,
        value=ratio(shown.log_ratio) if text and shown else None,
    )


def axis_of(comparisons: list[Comparison]) -> Axis | None:
    """The axis that contains 1 and every interval; None where there is no interval."""
    shown = [turned(found)[0] for found in comparisons if found.verdict is not Verdict.NOT_COMPARABLE]
    ends = [end for pair in shown if pair for end in (pair.low, pair.high) if end is not None]
    if not ends:
        return None
    reach = max(WIDEST, *(abs(pair.log_ratio) for pair in shown if pair))
    low, high = max(-reach, min(*ends, -0.02)), min(reach, max(*ends, 0.02))
    margin = 0.04 * (high - low)
    return Axis(ratio(low - margin), ratio(high + margin), is_log=True)


def turned(comparison: Comparison) -> tuple[Paired | None, Side, Side]:
    """(log-ratio, slower, faster): how many times as fast the faster side is. Every ratio of a report is turned so."""
    if comparison.paired and comparison.paired.log_ratio < 0:
        return comparison.paired.swapped(), comparison.left, comparison.right
    return comparison.paired, comparison.right, comparison.left


def notes(comparison: Comparison) -> list[str]:
    """What a reader must know in addition to the verdict."""
    found = []
    if comparison.incomparable:
        found.append(clean(comparison.incomparable, 300))
    if comparison.disturbed:
        found.append(clean(comparison.disturbed, 300))
    if comparison.verdict is Verdict.FEW_BLOCKS:
        found.append(f"a verdict needs at least {FEWEST_BLOCKS} blocks")
    found += [text for side in (comparison.left, comparison.right) if (text := incomplete(side))]
    if comparison.verdict is Verdict.NOT_COMPARABLE:
        return found
    if comparison.case.model and comparison.left.competitor.framework == comparison.right.competitor.framework:
        found.append("a user's own model, and variants of one framework: its outputs were not compared with another's")
    if comparison.paired and comparison.paired.widened:
        found.append(_drift(comparison))
    if comparison.paired and doubted_by_permutation(comparison.paired):
        signs, t = comparison.paired.p_permutation, comparison.paired.p_t
        found.append(f"the sign-flip test disagrees: p = {signs:.2g}, while the t test has p = {t:.2g}")
    return [*found, *([tail] if (tail := _tail(comparison)) else [])]


def incomplete(side: Side) -> str:
    """How many of its planned blocks a side has, if some are missing."""
    if side.planned is None or len(side.ok) >= side.planned:
        return ""
    kinds = sorted({clean(record.error.kind, 40) for record in side.failures if record.error})
    reasons = f" ({', '.join(kinds)})" if kinds else ""
    return f"{side.name}: INCOMPLETE, {len(side.ok)} of {count(side.planned, 'block')}{reasons}"


def _drift(comparison: Comparison) -> str:
    """Why the interval is wider than the blocks alone would make it."""
    drift = comparison.drift
    assert drift is not None
    more = (comparison.right if drift.mean > 0 else comparison.left).name
    return (
        f"from the first to the last quarter of the steps, {more} became {percent(math.expm1(abs(drift.mean)), 1)} "
        f"slower relative to the other side (mean over {drift.n} blocks); the interval is extended towards 1 by "
        f"{percent(math.expm1(drift.bound), 1)}"
    )


def score(case: CaseResult) -> tuple[str, Side | None]:
    """How a case counts in the totals: a verdict's name or ALONE, and the winner if there is one.

    No side wins a case that another side did not finish; the pairs that finished are still compared.
    """
    deciding = case.deciding
    if deciding is not None and deciding.winner is not None and not case.finished:
        return Verdict.INCOMPLETE, None
    if case.finished and not case.comparisons:
        return ALONE, None
    if deciding is None:
        pending = next((found for found in case.comparisons if found.verdict is Verdict.NOT_COMPARABLE), None)
        return (pending.verdict if pending else Verdict.INCOMPLETE), None
    return deciding.verdict, deciding.winner


def _kind(comparison: Comparison) -> str:
    if comparison.is_self and comparison.winner:
        return "disturbed" if _is_false(comparison) else "equivalent"
    return comparison.verdict.value.replace(" ", "-").replace("slower", "faster")


def _is_false(comparison: Comparison) -> bool:
    """A program is named faster than itself, without an injected slowdown to explain it."""
    winner = comparison.winner
    loser = comparison.left if winner is comparison.right else comparison.right
    return winner is not None and loser.slowdown <= winner.slowdown


def sentence(comparison: Comparison) -> str:
    """The verdict in words."""
    winner = comparison.winner
    if winner and comparison.is_self:
        return "false verdict: there is no difference" if _is_false(comparison) else "the slowdown was found"
    if winner:
        return f"{winner.name} is faster"
    if comparison.verdict is Verdict.EQUIVALENT:
        return f"equivalent within {percent(SMALLEST_DIFFERENCE)}"
    if comparison.verdict is Verdict.UNDECIDED:
        return f"undecided; {undecided.missing(comparison)}"
    if comparison.verdict is Verdict.FEW_BLOCKS:
        return "no verdict: too few blocks"
    if comparison.verdict is Verdict.DISTURBED:
        return "disturbed: no winner"
    return comparison.verdict.value


def ratio_text(shown: Paired | None, verdict: Verdict) -> tuple[str, str]:
    """(ratio, its 95 % interval), both empty where none may be shown."""
    return ("", "") if verdict is Verdict.NOT_COMPARABLE else ratio_of(shown)


def _mark(shown: Paired | None, axis: Axis) -> Interval | None:
    if shown is None or shown.low is None or shown.high is None:
        return None
    return axis.interval(ratio(shown.low), ratio(shown.log_ratio), ratio(shown.high))


def _tail(comparison: Comparison) -> str:
    """Where the ratio of the means differs from the ratio of the medians in all blocks, one side has slow steps."""
    means, tails = comparison.means, comparison.tails
    if means is None or tails is None or tails.low is None or tails.high is None:
        return ""
    by_chance = tails.low <= 0 <= tails.high or abs(tails.log_ratio) <= DELTA
    if by_chance or comparison.verdict in (Verdict.DISTURBED, Verdict.FEW_BLOCKS):
        return ""
    costly, other = comparison.right, comparison.left
    if tails.log_ratio < 0:
        costly, other, means = other, costly, means.swapped()
    text, interval = ratio_of(means)
    if not text:
        return ""
    mean = f"its mean step is {text}× that of {other.name} (95 % CI {interval}, {means.n} blocks)"
    return f"{costly.name} has tail costs: {mean}"
