"""Our ratios of step times next to published ratios, where a comparison has the settings of a published cell."""

from collections.abc import Iterator

from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult, Comparison
from aggregator.published.comparison import Rows, Section, compared, our_ratio, row, turned, unsettled
from aggregator.published.ratios import printed, ratio
from aggregator.published.source import Source
from aggregator.published.step_times import Setting, kept, kept_source
from aggregator.report.footnotes import Footnotes


def _same(source: Source) -> str:
    return (
        "These are fp32 cases of the same workload, network, size, batch and kind of device. "
        f"{source.stands()}; no other variant stands for any. Only comparisons of this report are shown: --baseline "
        f"{source.ours[source.baseline]} makes all of them. Machines and versions differ."
    )


def _rows(result: CaseResult, name: str, notes: Footnotes) -> Rows:
    case, source = result.case, kept_source()
    cells = kept().get(Setting(case.workload, case.device, case.network or "", case.input_size or 0, case.batch_size))
    if cells is None or case.precision != "fp32":
        return
    for found in result.comparisons:
        if sides := turned(found, source):
            theirs, over, under = sides
            published = ratio(cells, theirs, source.baseline)
            labels = (name, case.device.upper(), compared(over, under), f"{theirs} ÷ {source.baseline}")
            yield row((*labels, *our_ratio(found, over), printed(published)), _notes(found, published), notes)


def _notes(found: Comparison, published: float | None) -> Iterator[str]:
    source = kept_source()
    yield from unsettled(found)
    if found.case.scope != source.scope:
        yield f"scope: the source has {source.scope}, we have {clean(found.case.scope or 'unknown', 40)}"
    if published is None:
        yield f"not published: {source.no_figure}"


SECTION = Section(
    kept_source,
    _same,
    "Ratios of step times: ours with their 95 % interval over n blocks, and the published ratios",
    ("case", "device", "ours", "theirs", "our ratio", "95 % interval", "blocks", "their ratio", "notes"),
    4,
    _rows,
)
