"""Our ratios of loading times beside published ones, where a case of ours is of the same stage and workers."""

from collections.abc import Mapping, Sequence

from aggregator.judge.analysis import CaseResult
from aggregator.published.comparison import Rows, compared, our_ratio, row, table, turned, unsettled
from aggregator.published.loader_rates import LoadSetting, kept, kept_source
from aggregator.published.ratios import printed
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Table
from runners.harness.case import Case

COLUMNS = ("case", "ours", "theirs", "our ratio", "95 % interval", "blocks", "their ratio", "notes")


def load_remarks() -> tuple[str, ...]:
    """What to know of the source."""
    source = kept_source()
    return (
        "Set beside each other: loaders at the same stage, with the same workers and batch. "
        f"{source.stands()}, and no other loader or variant does. Only comparisons that this report makes are shown; "
        f"--baseline {source.ours[source.baseline]} makes all of them. Machines, versions and images differ.",
        *source.remarks(),
    )


def load_table(title: str, cases: Sequence[CaseResult], names: Mapping[Case, str]) -> Table | None:
    """The comparisons of published settings that a part makes, titled as it is; None where it makes none."""
    caption = "Ratios of the time an image takes: ours with their 95 % interval over n blocks, theirs as published"
    return table(title, caption, COLUMNS, 3, _rows, cases, names)


def _rows(result: CaseResult, name: str, notes: Footnotes) -> Rows:
    case, source = result.case, kept_source()
    if case.stage is None or case.workers is None or case.batch_size != source.batch_size:
        return
    rates = kept().get(LoadSetting(case.stage, case.workers))
    if rates is None:
        return
    for found in result.comparisons:
        if sides := turned(found, source):
            theirs, over, under = sides
            published = printed(rates[source.baseline] / rates[theirs])  # of times, so the rates the other way round
            labels = (name, compared(over, under), f"{theirs} ÷ {source.baseline}")
            yield row((*labels, *our_ratio(found, over), published), unsettled(found), notes)
