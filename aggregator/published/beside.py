"""One of our comparisons beside a published ratio: turned as the source has it, with what keeps it from being sure."""

from collections.abc import Callable, Iterator, Sequence

from aggregator.analysis import Comparison
from aggregator.footnotes import Footnotes
from aggregator.model import Cell, Table
from aggregator.quantities import DASH, ratio_and_interval
from aggregator.sides import Side
from aggregator.words import clean
from method.compare import ratio
from method.verdict import Verdict

UNSETTLED = (Verdict.UNSTABLE, Verdict.NOT_COMPARABLE, Verdict.FEW_BLOCKS, Verdict.INCOMPLETE)


def turned(found: Comparison, theirs_of: Callable[[Side], str | None], baseline: str) -> tuple[str, Side, Side] | None:
    """Their other framework, the side that stands for it and the side that stands for their baseline."""
    stands = {theirs_of(side): side for side in (found.left, found.right)}
    if None in stands or len(stands) < 2 or baseline not in stands:
        return None
    [other] = [theirs for theirs in stands if theirs and theirs != baseline]
    return other, stands[other], stands[baseline]


def compared(over: Side, under: Side) -> str:
    """The two of ours, in the order of the ratio."""
    return f"{clean(over.label, 80)} ÷ {clean(under.label, 80)}"


def our_ratio(found: Comparison, over: Side) -> tuple[str, str, str]:
    """The ratio of times with `over` above, its 95 % interval and the number of blocks; dashes where there is none."""
    pair = found.paired if found.right is over or found.paired is None else found.paired.swapped()
    if pair is None:
        return DASH, DASH, DASH
    if pair.low is None or pair.high is None or found.verdict is Verdict.NOT_COMPARABLE:
        return DASH, DASH, str(pair.n)
    text, interval = ratio_and_interval(ratio(pair.log_ratio), ratio(pair.low), ratio(pair.high))
    return f"{text}×", interval, str(pair.n)


def unsettled(found: Comparison) -> Iterator[str]:
    """A note where our own answer is not one."""
    if found.verdict in UNSETTLED:
        yield f"ours: {found.verdict}; the answer says why"


def row(texts: Sequence[str], said: Iterator[str], notes: Footnotes) -> tuple[Cell, ...]:
    """The cells of these texts, and one of marks for what is to be said of them."""
    marks = tuple(mark for text in said for mark in notes.mark(text))
    return (*map(Cell, texts), Cell("", "", marks))


def titled(
    title: str, caption: str, columns: tuple[str, ...], rows: Sequence[tuple[Cell, ...]], labels: int, notes: Footnotes
) -> Table | None:
    """The table of a part of the report that may have a title; None where it has no rows."""
    said = f"{title}. {caption}." if title else f"{caption}."
    return Table(said, columns, tuple(rows), labels, notes.texts) if rows else None
