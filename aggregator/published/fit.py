"""Published times of end-to-end trainings, and our ratios next to them where a case has the same settings."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from aggregator.base.quantities import DASH
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult, Comparison
from aggregator.judge.sides import Side
from aggregator.published.comparison import Rows, Section, compared, our_ratio, row, turned, unsettled
from aggregator.published.ratios import printed
from aggregator.published.source import Source, figures
from aggregator.report.footnotes import Footnotes
from method.compare import paired, ratio
from method.pairs import shared_blocks
from runners.harness.case import Case

KEPT = Path(__file__).with_name("cifar100-fit-2025.csv")


class Setting(NamedTuple):
    """What was trained. `device` is its kind; `workers` is None where the framework's loader has no such number."""

    device: str
    augment: bool
    batch_size: int
    workers: int | None
    cache: bool


class Times(NamedTuple):
    """Seconds of a training of the source's epochs, and of evaluating its test images once."""

    training: float
    evaluation: float


@dataclass(frozen=True, kw_only=True)
class FitSource(Source):
    """A source of training times: all of `epochs` epochs of `items` images."""

    epochs: int
    items: int


@cache
def kept_source() -> FitSource:
    """The source of the figures that this project keeps."""
    return FitSource.of(KEPT)


@cache
def kept() -> dict[str, dict[Setting, Times]]:
    """The kept figures of each framework."""
    found: dict[str, dict[Setting, Times]] = {}
    for figure in figures(KEPT):
        workers = int(figure["workers"]) if figure["workers"] else None
        augment, in_memory = figure["augment"] == "yes", figure["cache"] == "yes"
        setting = Setting(figure["device"], augment, int(figure["batch_size"]), workers, in_memory)
        times = Times(float(figure["training_seconds"]), float(figure["evaluation_seconds"]))
        found.setdefault(figure["framework"], {})[setting] = times
    return found


def _same(source: Source) -> str:
    return (
        "These are end-to-end trainings with the same batch, workers, cache, augmentation and kind of device. "
        f"{source.stands()}; no other variant or loader stands for any. Machines, versions and data may differ."
    )


def _rows(result: CaseResult, name: str, notes: Footnotes) -> Rows:
    case, source = result.case, kept_source()
    if case.workload != "fit" or case.network != "cnn4" or case.precision != "fp32":
        return
    for found in result.comparisons:
        if sides := turned(found, source):
            other, over, under = sides
            theirs, baseline = _published(other, case), _published(source.baseline, case)
            if theirs and baseline:
                texts = (
                    *(name, case.device.upper(), compared(over, under)),
                    *(*our_ratio(found, over), printed(theirs.training / baseline.training)),
                    *(_evaluation(over, under), printed(theirs.evaluation / baseline.evaluation)),
                )
                yield row(texts, _notes(found), notes)


def _published(framework: str, case: Case) -> Times | None:
    times = kept().get(framework, {})
    wanted = (case.device, bool(case.augment), case.batch_size)
    with_workers = Setting(*wanted, case.workers, bool(case.cache))
    return times.get(with_workers) or times.get(Setting(*wanted, None, bool(case.cache)))


def _evaluation(over: Side, under: Side) -> str:
    """The ratio of the evaluation times: geometric mean over the blocks that both sides have."""
    seconds, shared = metrics.stage("evaluate"), shared_blocks([over.logs, under.logs])
    pairs = [(seconds(over.ok[number]), seconds(under.ok[number])) for number in shared]
    logs = [math.log(upper / lower) for upper, lower in pairs if upper and lower]
    return printed(ratio(paired(logs).log_ratio)) if logs else DASH


def _notes(found: Comparison) -> Iterator[str]:
    source, case = kept_source(), found.case
    yield from unsettled(found)
    if case.epochs != source.epochs:
        yield f"epochs: the source has {source.epochs}, we have {DASH if case.epochs is None else case.epochs}"
    records = [record for side in (found.left, found.right) for record in side.ok.values()]
    images = {record.samples.items_per_step for record in records if record.samples}
    if images != {source.items}:
        counted = " or ".join(map(str, sorted(images))) or DASH
        yield f"images per epoch: the source has {source.items}, we have {counted}"


SECTION = Section(
    kept_source,
    _same,
    "Ratios of the times of whole trainings and evaluations: ours over n blocks, and the published ratios",
    (
        *("case", "device", "compared", "our training", "95 % interval", "blocks", "their training"),
        *("our evaluation", "their evaluation", "notes"),
    ),
    3,
    _rows,
)
