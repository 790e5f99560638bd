"""One of our comparisons beside a published ratio: turned as the source has it, with what keeps it from being sure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from aggregator.base.quantities import DASH, ratio_and_interval
from aggregator.judge.analysis import CaseResult, Comparison
from aggregator.judge.sides import Side
from aggregator.published.source import Source
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Cell, Table
from method.compare import ratio
from method.verdict import Verdict
from runners.harness.case import Case

UNSETTLED = (Verdict.DISTURBED, Verdict.NOT_COMPARABLE, Verdict.FEW_BLOCKS, Verdict.INCOMPLETE)


Rows = Iterator[tuple[Cell, ...]]


def turned(found: Comparison, source: Source) -> tuple[str, Side, Side] | None:
    """Their other framework, the side that stands for it and the side that stands for their baseline.

    None where a side stands for none of theirs, both for one, or neither for their baseline.
    """
    stands = {source.theirs(side.competitor): side for side in (found.left, found.right)}
    if None in stands or len(stands) < 2 or source.baseline not in stands:
        return None
    [other] = [theirs for theirs in stands if theirs and theirs != source.baseline]
    return other, stands[other], stands[source.baseline]


def compared(over: Side, under: Side) -> str:
    """The two of ours, in the order of the ratio."""
    return f"{over.name} ÷ {under.name}"


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


def table(
    title: str,
    caption: str,
    columns: tuple[str, ...],
    labels: int,
    rows_of: Callable[[CaseResult, str, Footnotes], Rows],
    cases: Sequence[CaseResult],
    names: Mapping[Case, str],
) -> Table | None:
    """The comparisons of a part of the report, of which `rows_of` gives a case's; None where there are none.

    The part may have a title; the first `labels` columns are no figures; `names` are those of the cases.
    """
    notes = Footnotes()
    rows = tuple(row for result in cases for row in rows_of(result, names[result.case], notes))
    said = f"{title}. {caption}." if title else f"{caption}."
    return Table(said, columns, rows, labels, notes.texts) if rows else None
