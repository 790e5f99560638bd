"""Our ratios of step times beside published ones, where a comparison of ours is of the same cell."""

from collections.abc import Iterator, Mapping, Sequence

from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult, Comparison
from aggregator.judge.sides import Side
from aggregator.published.comparison import Rows, compared, our_ratio, row, table, turned, unsettled
from aggregator.published.ratios import printed, ratio
from aggregator.published.step_times import Setting, StepTime, kept, kept_source
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Cell, Table
from runners.harness.case import Case

COLUMNS = ("case", "device", "ours", "theirs", "our ratio", "95 % interval", "blocks", "their ratio", "notes")


def step_remarks() -> tuple[str, ...]:
    """What to know of the source."""
    source = kept_source()
    return (
        f"Set beside each other: fp32 cases of the same workload, network, size, batch and kind of device. "
        f"{source.stands()}, and no other variant does. Only comparisons that this report makes are shown; --baseline "
        f"{source.ours[source.baseline]} makes all of them. Machines and versions differ.",
        *source.remarks(),
    )


def step_table(title: str, cases: Sequence[CaseResult], names: Mapping[Case, str]) -> Table | None:
    """The comparisons of published cells that a part makes, titled as it is; None where it makes none."""
    caption = "Ratios of step times: ours with their 95 % interval over n blocks, theirs as published"
    return table(title, caption, COLUMNS, 4, _rows, cases, names)


def _rows(result: CaseResult, name: str, notes: Footnotes) -> Rows:
    case = result.case
    cells = kept().get(Setting(case.workload, case.device, case.network or "", case.input_size or 0, case.batch_size))
    if cells is None or case.precision != "fp32":
        return
    for found in result.comparisons:
        if sides := turned(found, kept_source()):
            yield _row(found, name, sides, cells, notes)


def _row(
    found: Comparison, name: str, sides: tuple[str, Side, Side], cells: Mapping[str, StepTime], notes: Footnotes
) -> tuple[Cell, ...]:
    """One comparison, turned so that the baseline is below on both sides."""
    baseline, (theirs, over, under) = kept_source().baseline, sides
    published = ratio(cells, theirs, baseline)
    labels = (name, found.case.device.upper(), compared(over, under), f"{theirs} ÷ {baseline}")
    return row((*labels, *our_ratio(found, over), printed(published)), _notes(found, published), notes)


def _notes(found: Comparison, published: float | None) -> Iterator[str]:
    source = kept_source()
    yield from unsettled(found)
    if found.case.scope != source.scope:
        yield f"scope: theirs is {source.scope}, ours {clean(found.case.scope or 'unknown', 40)}"
    if published is None:
        yield f"not published: {source.no_figure}"
