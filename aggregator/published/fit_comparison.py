"""Our ratios of training times beside published ones, where a case of ours has the same settings."""

import math
from collections.abc import Iterator, Mapping, Sequence

from aggregator.base.quantities import DASH
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult, Comparison
from aggregator.judge.metrics import Metric
from aggregator.judge.sides import Side
from aggregator.published.comparison import Rows, compared, our_ratio, row, table, turned, unsettled
from aggregator.published.fit_times import FitSetting, FitTime, kept, kept_source
from aggregator.published.ratios import printed
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Cell, Table
from method.compare import paired, ratio
from method.pairs import shared_blocks
from runners.harness.case import Case

COLUMNS = (
    *("case", "device", "compared", "our training", "95 % interval", "blocks", "their training"),
    *("our evaluation", "their evaluation", "notes"),
)


def fit_remarks() -> tuple[str, ...]:
    """What to know of the source."""
    source = kept_source()
    return (
        "Set beside each other: end-to-end trainings with the same batch, workers, cache, augmentation and kind of "
        f"device. {source.stands()}, and no other variant or loader does. Machines, versions and data may differ.",
        *source.remarks(),
    )


def fit_table(title: str, cases: Sequence[CaseResult], names: Mapping[Case, str]) -> Table | None:
    """The comparisons of published settings that a part makes, titled as it is; None where it makes none."""
    caption = "Ratios of the times of whole trainings and evaluations: ours over n blocks, theirs as published"
    return table(title, caption, COLUMNS, 3, _rows, cases, names)


def _rows(result: CaseResult, name: str, notes: Footnotes) -> Rows:
    case, source = result.case, kept_source()
    if case.workload != "fit" or case.network != "cnn4" or case.precision != "fp32":
        return
    for found in result.comparisons:
        if sides := turned(found, source):
            other, over, under = sides
            times = _published(other, case), _published(source.baseline, case)
            if times[0] and times[1]:
                yield _row(found, name, (over, times[0]), (under, times[1]), notes)


def _published(framework: str, case: Case) -> FitTime | None:
    times = kept().get(framework, {})
    wanted = (case.device, bool(case.augment), case.batch_size)
    return times.get(FitSetting(*wanted, case.workers, bool(case.cache))) or times.get(
        FitSetting(*wanted, None, bool(case.cache))
    )


def _row(
    found: Comparison, name: str, above: tuple[Side, FitTime], below: tuple[Side, FitTime], notes: Footnotes
) -> tuple[Cell, ...]:
    """One comparison, turned so that the baseline is below on both sides."""
    (over, their_over), (under, their_under) = above, below
    texts = (
        *(name, found.case.device.upper(), compared(over, under)),
        *(*our_ratio(found, over), printed(their_over.training / their_under.training)),
        *(_ratio_of(metrics.stage("evaluate"), over, under), printed(their_over.evaluation / their_under.evaluation)),
    )
    return row(texts, _notes(found), notes)


def _ratio_of(metric: Metric, over: Side, under: Side) -> str:
    """Geometric mean over the blocks that both have."""
    pairs = [(metric(over.ok[number]), metric(under.ok[number])) for number in shared_blocks([over.logs, under.logs])]
    logs = [math.log(upper / lower) for upper, lower in pairs if upper and lower]
    return printed(ratio(paired(logs).log_ratio)) if logs else DASH


def _notes(found: Comparison) -> Iterator[str]:
    source, case = kept_source(), found.case
    yield from unsettled(found)
    if case.epochs != source.epochs:
        yield f"epochs: theirs are {source.epochs}, ours {DASH if case.epochs is None else case.epochs}"
    records = [record for side in (found.left, found.right) for record in side.ok.values()]
    images = {record.samples.items_per_step for record in records if record.samples}
    if images != {source.items}:
        counted = " or ".join(map(str, sorted(images))) or DASH
        yield f"images an epoch: theirs are {source.items}, ours {counted}"
