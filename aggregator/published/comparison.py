"""One of our comparisons next to a published ratio: the same two frameworks in the order of the source, with notes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aggregator.base.quantities import DASH
from aggregator.judge.analysis import CaseResult, Comparison
from aggregator.judge.sides import Side
from aggregator.published.source import Source
from aggregator.report.answers import ratio_text
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Cell, Table
from method.verdict import Verdict
from runners.harness.case import Case

UNSETTLED = (Verdict.DISTURBED, Verdict.NOT_COMPARABLE, Verdict.FEW_BLOCKS, Verdict.INCOMPLETE)
Rows = Iterator[tuple[Cell, ...]]


@dataclass(frozen=True)
class Section:
    """The comparisons with one source: `same` says which settings must be the same, `rows` gives the rows of a case.

    The first `labels` columns name what is compared, the others are figures.
    """

    source: Callable[[], Source]
    same: Callable[[Source], str]
    caption: str
    columns: tuple[str, ...]
    labels: int
    rows: Callable[[CaseResult, str, Footnotes], Rows]

    def table(self, title: str, cases: Sequence[CaseResult], names: Mapping[Case, str]) -> Table | None:
        """The comparisons of a part of the report; None where none has the settings of a published figure."""
        notes = Footnotes()
        rows = tuple(row for result in cases for row in self.rows(result, names[result.case], notes))
        caption = f"{title}. {self.caption}." if title else f"{self.caption}."
        return Table(caption, self.columns, rows, self.labels, notes.texts) if rows else None

    def remarks(self) -> tuple[str, ...]:
        """What is compared, and the source."""
        return self.same(self.source()), *self.source().remarks()


def turned(found: Comparison, source: Source) -> tuple[str, Side, Side] | None:
    """The framework of the source, the side that stands for it, and the side that stands for the source's baseline.

    None where the sides do not stand for two frameworks of the source, one of which is its baseline.
    """
    stands = {source.theirs(side.competitor): side for side in (found.left, found.right)}
    if None in stands or len(stands) < 2 or source.baseline not in stands:
        return None
    [other] = [theirs for theirs in stands if theirs and theirs != source.baseline]
    return other, stands[other], stands[source.baseline]


def compared(over: Side, under: Side) -> str:
    """Our two sides, in the order of the ratio."""
    return f"{over.name} ÷ {under.name}"


def our_ratio(found: Comparison, over: Side) -> tuple[str, str, str]:
    """The ratio of times with `over` above, its 95 % interval and the number of blocks; dashes where there is none."""
    pair = found.paired if found.right is over or found.paired is None else found.paired.swapped()
    text, interval = ratio_text(pair, found.verdict)
    return (f"{text}×" if text else DASH), interval or DASH, str(pair.n) if pair else DASH


def unsettled(found: Comparison) -> Iterator[str]:
    """A note where our own comparison has no usable verdict."""
    if found.verdict in UNSETTLED:
        yield f"our comparison: {found.verdict}; its line under The answer says why"


def row(texts: Sequence[str], said: Iterator[str], notes: Footnotes) -> tuple[Cell, ...]:
    """The cells of these texts, and a cell with the marks of the notes on them."""
    marks = tuple(mark for text in said for mark in notes.mark(text))
    return (*map(Cell, texts), Cell("", "", marks))
