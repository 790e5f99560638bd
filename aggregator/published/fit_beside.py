"""Our ratios of training times beside published ones, where a case of ours has the same settings."""

import math
from collections.abc import Iterator, Mapping, Sequence

from aggregator import metrics
from aggregator.analysis import CaseResult, Comparison
from aggregator.footnotes import Footnotes
from aggregator.metrics import Metric
from aggregator.model import Cell, Table
from aggregator.published.fit_times import FitSetting, FitTime, kept, kept_source
from aggregator.published.ratios import printed
from aggregator.published.step_beside import UNSETTLED
from aggregator.quantities import DASH, ratio_and_interval
from aggregator.sides import Side, shared_blocks
from aggregator.words import clean
from method.compare import paired, ratio
from method.verdict import Verdict
from runners.harness.case import Case

COLUMNS = (
    *("case", "device", "compared", "our training", "95 % interval", "blocks", "their training"),
    *("our evaluation", "their evaluation", "notes"),
)


def fit_remarks() -> tuple[str, ...]:
    """What to know of the source."""
    source = kept_source()
    stands = ", ".join(f"{ours} stands for {theirs}" for theirs, ours in source.ours.items())
    devices = ", ".join(f"{kind.upper()} {name}" for kind, name in source.devices.items())
    return (
        "Set beside each other: end-to-end trainings with the same batch, workers, cache, augmentation and kind of "
        f"device. {stands}, and no other variant or loader does. Machines, versions and data may differ.",
        f"Source: {source.author}, “{source.title}”, {source.publisher}, {source.year}. {devices}; {source.measured}.",
        *(f"Not like ours, {what}: {how}." for what, how in source.differences.items()),
    )


def fit_table(title: str, cases: Sequence[CaseResult], names: Mapping[Case, str]) -> Table | None:
    """The comparisons of published settings that a part makes, titled as it is; None where it makes none."""
    notes = Footnotes()
    rows = tuple(row for result in cases for row in _rows(result, names[result.case], notes))
    caption = "Ratios of the times of whole trainings and evaluations: ours over n blocks, theirs as published"
    return Table(f"{title}. {caption}." if title else f"{caption}.", COLUMNS, rows, 3, notes.texts) if rows else None


def _rows(result: CaseResult, name: str, notes: Footnotes) -> Iterator[tuple[Cell, ...]]:
    case, source = result.case, kept_source()
    if case.workload != "fit" or case.network != "cnn4" or case.precision != "fp32":
        return
    for found in result.comparisons:
        stands = {_theirs(side): side for side in (found.left, found.right)}
        if None in stands or len(stands) < 2 or source.baseline not in stands:
            continue
        [other] = [theirs for theirs in stands if theirs != source.baseline]
        over, under = _published(other, case), _published(source.baseline, case)
        if over and under:
            yield _row(found, name, (stands[other], over), (stands[source.baseline], under), notes)


def _theirs(side: Side) -> str | None:
    """The published framework that this side stands for. A chosen version changes nothing: the label tells it."""
    who = side.competitor
    name = f"{who.framework}/{who.loader}/{who.variant}"
    return next((theirs for theirs, ours in kept_source().ours.items() if ours == name), None)


def _published(framework: str | None, case: Case) -> FitTime | None:
    times = kept().get(framework or "", {})
    wanted = (case.device, bool(case.augment), case.batch_size)
    return times.get(FitSetting(*wanted, case.workers, bool(case.cache))) or times.get(
        FitSetting(*wanted, None, bool(case.cache))
    )


def _row(
    found: Comparison, name: str, above: tuple[Side, FitTime], below: tuple[Side, FitTime], notes: Footnotes
) -> tuple[Cell, ...]:
    """One comparison, turned so that the baseline is below on both sides."""
    (over, their_over), (under, their_under) = above, below
    pair = found.paired if found.right is over or found.paired is None else found.paired.swapped()
    ours = (DASH, DASH)
    if pair and pair.low is not None and pair.high is not None and found.verdict is not Verdict.NOT_COMPARABLE:
        text, interval = ratio_and_interval(ratio(pair.log_ratio), ratio(pair.low), ratio(pair.high))
        ours = (f"{text}×", interval)
    training = printed(their_over.training / their_under.training)
    evaluation = printed(their_over.evaluation / their_under.evaluation)
    texts = (
        *(name, found.case.device.upper(), f"{clean(over.label, 80)} ÷ {clean(under.label, 80)}"),
        *(*ours, str(pair.n) if pair else DASH, training),
        *(_ratio_of(metrics.stage("evaluate"), over, under), evaluation),
    )
    marks = [mark for text in _notes(found) for mark in notes.mark(text)]
    return (*map(Cell, texts), Cell("", "", tuple(marks)))


def _ratio_of(metric: Metric, over: Side, under: Side) -> str:
    """Geometric mean over the blocks that both have."""
    pairs = [(metric(over.ok[number]), metric(under.ok[number])) for number in shared_blocks([over, under])]
    logs = [math.log(upper / lower) for upper, lower in pairs if upper and lower]
    return printed(ratio(paired(logs).log_ratio)) if logs else DASH


def _notes(found: Comparison) -> Iterator[str]:
    source, case = kept_source(), found.case
    if found.verdict in UNSETTLED:
        yield f"ours: {found.verdict}; the answer says why"
    if case.epochs != source.epochs:
        yield f"epochs: theirs are {source.epochs}, ours {DASH if case.epochs is None else case.epochs}"
    records = [record for side in (found.left, found.right) for record in side.ok.values()]
    images = {record.samples.items_per_step for record in records if record.samples}
    if images != {source.items}:
        counted = " or ".join(map(str, sorted(images))) or DASH
        yield f"images an epoch: theirs are {source.items}, ours {counted}"
