"""One comparison as one line: what won, by how much, how sure, from how many blocks."""

import math
from dataclasses import dataclass

from aggregator.base.case_names import digest
from aggregator.base.quantities import DASH, count, percent, ratio_and_interval
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult, Comparison
from aggregator.judge.sides import Side
from aggregator.report import undecided
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Answer, Axis, Interval
from method.compare import Paired, ratio
from method.verdict import (
    DELTA,
    FEWEST_BLOCKS,
    SMALLEST_DIFFERENCE,
    Verdict,
    doubted_by_permutation,
)

ALONE = "nothing to compare"
"""What a case counts as that one competitor ran and finished: nobody is missing, and nobody could win."""
WIDEST = math.log(16)
"""The small axis ends here at most; what lies beyond is drawn at its edge."""


@dataclass(frozen=True)
class Scale:
    """The ends, in logs, of the small axis that all answers of a part share."""

    low: float
    high: float

    def place(self, log_ratio: float) -> float:
        """Where it stands, in per cent of the axis; what lies beyond is drawn at its edge."""
        return 100 * (min(max(log_ratio, self.low), self.high) - self.low) / (self.high - self.low)

    def printed(self) -> Axis:
        """The axis with its labels."""
        return Axis(f"{ratio(self.low):.2f}×", f"{self.place(0.0):.2f}", f"{ratio(self.high):.2f}×")


def answer(comparison: Comparison, case: str, anchor: str, axis: Scale | None, footnotes: Footnotes) -> Answer:
    """The line for one comparison, with its mark on the part's small axis."""
    shown, slow, fast = turned(comparison)
    said = tuple(notes(comparison))
    text, interval = ratio_text(shown, comparison.verdict)
    return Answer(
        case=case,
        digest=digest(comparison.case),
        anchor=anchor,
        kind=_kind(comparison),
        verdict=sentence(comparison),
        compared=f"{slow.name} ÷ {fast.name}",
        ratio=text,
        interval=interval,
        blocks=_blocks(comparison),
        notes=said,
        marks=tuple(number for text in said for number in footnotes.mark(text)),
        mark=_mark(shown, axis) if text and axis else None,
        value=ratio(shown.log_ratio) if text and shown else None,
    )


def scale(comparisons: list[Comparison]) -> Scale | None:
    """The axis that holds 1 and every interval shown, or None where there is none to show."""
    shown = [turned(found)[0] for found in comparisons if found.verdict is not Verdict.NOT_COMPARABLE]
    ends = [end for pair in shown if pair for end in (pair.low, pair.high) if end is not None]
    if not ends:
        return None
    low, high = max(-WIDEST, min(*ends, -0.02)), min(WIDEST, max(*ends, 0.02))
    margin = 0.04 * (high - low)
    return Scale(low - margin, high + margin)


def turned(comparison: Comparison) -> tuple[Paired | None, Side, Side]:
    """(log-ratio, slower, faster) where the comparison is decided, so that its ratio is above 1.

    An open one keeps the order in which it was asked, since turning it would hint at a winner.
    """
    if comparison.paired and comparison.verdict is Verdict.FASTER:
        return comparison.paired.swapped(), comparison.left, comparison.right
    return comparison.paired, comparison.right, comparison.left


def notes(comparison: Comparison) -> list[str]:
    """What a reader must know beside the verdict."""
    found = []
    if comparison.incomparable:
        found.append(clean(comparison.incomparable, 300))
    if comparison.disturbed:
        found.append(clean(comparison.disturbed, 300))
    if comparison.verdict is Verdict.FEW_BLOCKS:
        found.append(f"a verdict needs {FEWEST_BLOCKS} blocks")
    found += [text for side in (comparison.left, comparison.right) if (text := incomplete(side))]
    if comparison.verdict is Verdict.NOT_COMPARABLE:
        return found
    if comparison.paired and comparison.paired.widened:
        found.append(_drift(comparison))
    if comparison.paired and doubted_by_permutation(comparison.paired):
        signs, t = comparison.paired.p_permutation, comparison.paired.p_t
        found.append(f"the sign-flip test disagrees: p = {signs:.2g}, t test {t:.2g}")
    return [*found, *([tail] if (tail := _tail(comparison)) else [])]


def incomplete(side: Side) -> str:
    """How much of what was planned for this side is there, where not all of it is."""
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
        f"{more} slowed down, or the other side became faster, by {percent(math.expm1(abs(drift.mean)), 1)} from the "
        f"first to the last quarter of its steps, on average over {drift.n} blocks: the interval is "
        f"{percent(math.expm1(drift.bound), 1)} wider towards 1 for it"
    )


def score(case: CaseResult) -> tuple[str, Side | None]:
    """How a case counts in the totals: a verdict's name or ALONE, and the winner where there is one.

    Nobody wins a case that a rival did not finish, though the pairs that did are still compared.
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
    """A program was called faster than itself, without a slowdown to explain it."""
    winner = comparison.winner
    loser = comparison.left if winner is comparison.right else comparison.right
    return winner is not None and loser.slowdown <= winner.slowdown


def sentence(comparison: Comparison) -> str:
    """The verdict in words."""
    winner = comparison.winner
    if winner and comparison.is_self:
        return "false verdict: a difference where there is none" if _is_false(comparison) else "the slowdown was found"
    if winner:
        return f"{winner.name} is faster"
    if comparison.verdict is Verdict.EQUIVALENT:
        return f"equivalent within {percent(SMALLEST_DIFFERENCE)}"
    if comparison.verdict is Verdict.UNDECIDED:
        return undecided.sentence(comparison)
    if comparison.verdict is Verdict.FEW_BLOCKS:
        return "no verdict: too few blocks"
    if comparison.verdict is Verdict.DISTURBED:
        return "disturbed: no winner"
    return comparison.verdict.value


def ratio_text(shown: Paired | None, verdict: Verdict) -> tuple[str, str]:
    """(ratio, its 95 % interval), both empty where none may be shown."""
    if shown is None or shown.low is None or shown.high is None or verdict is Verdict.NOT_COMPARABLE:
        return "", ""
    return ratio_and_interval(ratio(shown.log_ratio), ratio(shown.low), ratio(shown.high))


def _blocks(comparison: Comparison) -> str:
    return str(comparison.paired.n) if comparison.paired else DASH


def _mark(shown: Paired | None, axis: Scale) -> Interval | None:
    if shown is None or shown.low is None or shown.high is None:
        return None
    low, high = axis.place(shown.low), axis.place(shown.high)
    return Interval(f"{low:.1f}", f"{high - low:.1f}", f"{axis.place(shown.log_ratio):.1f}")


def _tail(comparison: Comparison) -> str:
    """Where the means tell another story than the medians, in block after block, somebody has slow steps."""
    means, tails = comparison.means, comparison.tails
    if means is None or tails is None or tails.low is None or tails.high is None:
        return ""
    by_chance = tails.low <= 0 <= tails.high or abs(tails.log_ratio) <= DELTA
    if by_chance or comparison.verdict in (Verdict.DISTURBED, Verdict.FEW_BLOCKS):
        return ""
    costly, other = comparison.right, comparison.left
    if tails.log_ratio < 0:
        costly, other, means = other, costly, means.swapped()
    if means.low is None or means.high is None:
        return ""
    text, interval = ratio_and_interval(ratio(means.log_ratio), ratio(means.low), ratio(means.high))
    return (
        f"{costly.name} has tail costs: its mean step is {text}× that of {other.name} "
        f"(95 % CI {interval}, {means.n} blocks)"
    )
