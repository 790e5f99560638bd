"""Published rates of data loaders, and our ratios next to them where a case has the same stage and workers."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aggregator.judge.analysis import CaseResult
from aggregator.published.comparison import Rows, Section, compared, our_ratio, row, turned, unsettled
from aggregator.published.ratios import printed
from aggregator.published.source import Source, figures
from aggregator.report.footnotes import Footnotes

KEPT = Path(__file__).with_name("loaders-spdl-example.csv")


@dataclass(frozen=True, kw_only=True)
class LoaderSource(Source):
    """A source of rates, all with one batch size."""

    batch_size: int


@cache
def kept_source() -> LoaderSource:
    """The source of the figures that this project keeps."""
    return LoaderSource.of(KEPT)


@cache
def kept() -> dict[tuple[str, int], dict[str, float]]:
    """Images per second of each loader, by stage (docs/fairness-data.md) and workers."""
    found: dict[tuple[str, int], dict[str, float]] = {}
    for figure in figures(KEPT):
        setting = figure["stage"], int(figure["workers"])
        found.setdefault(setting, {})[figure["loader"]] = float(figure["images_per_second"])
    return found


def _same(source: Source) -> str:
    return (
        "These are loaders at the same stage, with the same workers and batch. "
        f"{source.stands()}; no other loader or variant stands for any. Only comparisons of this report are shown: "
        f"--baseline {source.ours[source.baseline]} makes all of them. Machines, versions and images differ."
    )


def _rows(result: CaseResult, name: str, notes: Footnotes) -> Rows:
    case, source = result.case, kept_source()
    rates = kept().get((case.stage or "", case.workers or 0))
    if rates is None or case.workers is None or case.batch_size != source.batch_size:
        return
    for found in result.comparisons:
        if sides := turned(found, source):
            theirs, over, under = sides
            published = printed(rates[source.baseline] / rates[theirs])  # a ratio of times: rates the other way round
            labels = (name, compared(over, under), f"{theirs} ÷ {source.baseline}")
            yield row((*labels, *our_ratio(found, over), published), unsettled(found), notes)


SECTION = Section(
    kept_source,
    _same,
    "Ratios of the time per image: ours with their 95 % interval over n blocks, and the published ratios",
    ("case", "ours", "theirs", "our ratio", "95 % interval", "blocks", "their ratio", "notes"),
    3,
    _rows,
)
