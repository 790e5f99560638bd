"""Our ratios of step times beside published ones, where a comparison of ours is of the same cell."""

from collections.abc import Iterator, Mapping, Sequence

from aggregator.analysis import CaseResult, Comparison
from aggregator.footnotes import Footnotes
from aggregator.model import Cell, Table
from aggregator.published.ratios import printed
from aggregator.published.ratios import ratio as their_ratio
from aggregator.published.step_times import Setting, StepTime, kept, kept_source
from aggregator.quantities import DASH, ratio_and_interval
from aggregator.sides import Side
from aggregator.words import clean
from method.compare import ratio
from method.verdict import Verdict
from runners.harness.case import Case

COLUMNS = ("case", "device", "ours", "theirs", "our ratio", "95 % interval", "blocks", "their ratio", "notes")
UNSETTLED = (Verdict.UNSTABLE, Verdict.NOT_COMPARABLE, Verdict.FEW_BLOCKS, Verdict.INCOMPLETE)


def step_remarks() -> tuple[str, ...]:
    """What to know of the source."""
    source = kept_source()
    stands = ", ".join(f"{ours} stands for {theirs}" for theirs, ours in source.ours.items())
    return (
        f"Set beside each other: fp32 cases of the same workload, network, size, batch and kind of device. {stands}, "
        "and no other variant does. Only comparisons that this report makes are shown; --baseline "
        f"{source.ours[source.baseline]} makes all of them. Machines and versions differ.",
        *source.remarks(),
    )


def step_table(title: str, cases: Sequence[CaseResult], names: Mapping[Case, str]) -> Table | None:
    """The comparisons of published cells that a part makes, titled as it is; None where it makes none."""
    notes = Footnotes()
    rows = tuple(row for result in cases for row in _rows(result, names[result.case], notes))
    caption = "Ratios of step times: ours with their 95 % interval over n blocks, theirs as published"
    return Table(f"{title}. {caption}." if title else f"{caption}.", COLUMNS, rows, 4, notes.texts) if rows else None


def _rows(result: CaseResult, name: str, notes: Footnotes) -> Iterator[tuple[Cell, ...]]:
    case, source = result.case, kept_source()
    cells = kept().get(Setting(case.workload, case.device, case.network or "", case.input_size or 0, case.batch_size))
    if cells is None or case.precision != "fp32":
        return
    for found in result.comparisons:
        left, right = (_theirs(side) for side in (found.left, found.right))
        if left != right and left and right and source.baseline in (left, right):
            yield _row(found, name, right if left == source.baseline else left, cells, notes)


def _theirs(side: Side) -> str | None:
    """The published framework that this side stands for. A chosen version changes nothing: the label tells it."""
    who = side.competitor
    name = f"{who.framework}/{who.variant}"
    return next((theirs for theirs, ours in kept_source().ours.items() if ours == name), None)


def _row(
    found: Comparison, name: str, theirs: str, cells: Mapping[str, StepTime], notes: Footnotes
) -> tuple[Cell, ...]:
    """One comparison, turned so that the baseline is below on both sides."""
    source = kept_source()
    over, under, pair = found.right, found.left, found.paired
    if _theirs(over) == source.baseline:
        over, under, pair = under, over, pair.swapped() if pair else None
    ours = (DASH, DASH)
    if pair and pair.low is not None and pair.high is not None and found.verdict is not Verdict.NOT_COMPARABLE:
        text, interval = ratio_and_interval(ratio(pair.log_ratio), ratio(pair.low), ratio(pair.high))
        ours = (f"{text}×", interval)
    published = their_ratio(cells, theirs, source.baseline)
    marks = [mark for text in _notes(found, published) for mark in notes.mark(text)]
    labels = (name, found.case.device.upper(), f"{clean(over.label, 80)} ÷ {clean(under.label, 80)}")
    numbers = (*ours, str(pair.n) if pair else DASH, printed(published))
    texts = (*labels, f"{theirs} ÷ {source.baseline}", *numbers)
    return (*map(Cell, texts), Cell("", "", tuple(marks)))


def _notes(found: Comparison, published: float | None) -> Iterator[str]:
    source = kept_source()
    if found.verdict in UNSETTLED:
        yield f"ours: {found.verdict}; the answer says why"
    if found.case.scope != source.scope:
        yield f"scope: theirs is {source.scope}, ours {clean(found.case.scope or 'unknown', 40)}"
    if published is None:
        yield f"not published: {source.no_figure}"
