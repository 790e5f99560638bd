"""Tables of end-to-end training: stages and accuracy, epochs, time to accuracy, several seeds."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

from scipy.stats import ttest_1samp

from aggregator.base.quantities import DASH, duration_range, number_range, percent_range, with_half_width
from aggregator.base.text import clean
from aggregator.judge import metrics
from aggregator.judge.across_cases import is_clear, peaks, tasks
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import alike, natural
from aggregator.judge.metrics import Metric
from aggregator.judge.sides import Side
from aggregator.report.answers import incomplete
from aggregator.report.cells import MEAN_NOTE, dash, range_cell, rate_cell, seed_cell, stage_cell
from aggregator.report.model import Cell, Table, noted
from aggregator.report.tables import Column, Row, Settings, by_side, setting_cells, setting_columns, spread
from method.compare import interval_of_mean
from runners.harness.case import Case

SETTINGS = ("network", "batch_size", "workers", "cache", "augment", "epochs")
OTHER_STAGES = ("load", "build", "save", "restore")
FASTEST = "fastest setting"
FASTEST_MEANS = (
    f" “{FASTEST}” marks the batch size, workers, cache and variant with which a framework with its loader trains in "
    "the shortest time, for the same data, augmentation and epochs. It is given only if this time is shorter than each "
    "of the others by more than chance explains: the 95 % interval of every ratio (Welch, not adjusted for the number "
    "of settings) lies above 1. Settings were not measured side by side, and batches of another size learn "
    "differently: see the accuracy."
)
NONE_FASTEST = " Here no setting is clearly the fastest of its framework."
FEWEST_SEEDS = 2
TARGET_STEP = 0.05
"""The target of the time to accuracy is a multiple of this."""


def fit_tables(cases: Sequence[CaseResult], target: float | None = None, adaptive: bool = True) -> list[Table]:
    """Every table that these cases of `fit` fill; `target` is the test accuracy of the time to accuracy.

    `adaptive` tells whether the run stopped a case when it was answered.
    """
    ordered = sorted(cases, key=natural)
    found = (_stages(ordered, adaptive), _epochs(ordered), _times_to_accuracy(ordered, target), _seeds(ordered))
    return [table for table in found if table]


def _named(cases: Sequence[CaseResult], *without: str) -> Settings:
    return setting_columns(cases, SETTINGS, without)


def _stages(cases: Sequence[CaseResult], adaptive: bool) -> Table:
    marked, compared = _fastest(cases, adaptive)
    rows = [(case, side) for case in cases for side in case.sides]

    def repeated(head: str, read: Metric, show: Callable[[Sequence[float]], str]) -> Column:
        return head, lambda _, side: seed_cell(side, read, show)

    shown: list[Column] = [
        ("n", lambda _, side: Cell(str(len(side.ok)), "", noted(incomplete(side)) if side.ok else ())),
        ("train", lambda case, side: _train_cell(side, marked.get((case.case, side.label), ""))),
        ("evaluate", lambda _, side: stage_cell(side, metrics.stage("evaluate"))),
        repeated("accuracy", metrics.accuracy, percent_range),
        repeated("restored", metrics.accuracy_restored, percent_range),
        repeated("last loss", metrics.last_loss, number_range),
        *(spread(clean(stage, 40), metrics.stage(stage), duration_range) for stage in (*OTHER_STAGES, *_further(rows))),
    ]
    caption = (
        "End-to-end training from disk: the time of each stage, and the accuracy on the test images. The times of "
        f"train and evaluate are geometric means over n replicates ({MEAN_NOTE}), the others are medians "
        "(lowest–highest)."
    )
    if compared:
        caption += FASTEST_MEANS + ("" if marked else NONE_FASTEST)
    return by_side(rows, _named(cases), shown, caption)


def _further(rows: Sequence[Row]) -> list[str]:
    """The stages that save and restore the trained model in other formats, `save pt2`."""
    names = {name: None for _, side in rows for record in side.ok.values() for name in metrics.stages_of(record)}
    return [name for name in names if name.startswith(("save ", "restore "))]


def _fastest(cases: Sequence[CaseResult], adaptive: bool) -> tuple[dict[tuple[Case, str], str], bool]:
    """The mark of each case and competitor that is clearly the fastest, and whether there were settings to compare."""
    marked, compared = {}, False
    for members in tasks(cases):
        found = peaks(members)
        compared |= any(len(peak.tried) > 1 for peak in found)
        for peak in found:
            if is_clear(peak, adaptive):
                marked[peak.best.case.case, peak.best.side.label] = FASTEST
    return marked, compared


def _train_cell(side: Side, mark: str) -> Cell:
    """The compared time, or why there is none."""
    if not side.ok:
        return dash(side)
    return dataclasses.replace(stage_cell(side, metrics.stage("train")), side=side.name, detail=mark)


def _epochs(cases: Sequence[CaseResult]) -> Table | None:
    """The first epoch and the others, and the share of the training that was spent waiting for data."""
    rows = [(case, side) for case in cases for side in case.sides if side.values(metrics.waiting)]
    shown: list[Column] = [
        spread("first epoch", metrics.first_epoch, duration_range),
        spread("later epochs", metrics.steady_epoch, duration_range),
        ("later epochs, images", lambda _, side: rate_cell(side, metrics.steady_rate)),
        spread("waiting for data", metrics.waiting, percent_range),
    ]
    caption = (
        "Medians (lowest–highest) over replicates; images per second are geometric means. Waiting for data is the "
        "share of training time in which the training loop waited for its next batch, including the start of the "
        "workers."
    )
    return by_side(rows, _named(cases), shown, caption, "Epochs") if rows else None


def _times_to_accuracy(cases: Sequence[CaseResult], given: float | None) -> Table | None:
    targets = {case.case: target for case in cases if (target := given or target_of(case)) is not None}
    rows = [
        (case, side)
        for case in cases
        for side in case.sides
        if case.case in targets and side.values(metrics.best_test_accuracy)
    ]
    shown: list[Column] = [
        ("test accuracy", lambda case, _: Cell(f"{100 * targets[case.case]:g} %")),
        ("reached after", lambda case, side: _reached_cell(side, targets[case.case])),
        spread("highest after any epoch", metrics.best_test_accuracy, percent_range),
    ]
    source = (
        f"The target is the highest multiple of {100 * TARGET_STEP:.0f} % that every replicate of every side reached; "
        "--target-accuracy sets another."
    )
    caption = (
        "Seconds of training until the test accuracy reached the target. The test images are classified after every "
        f"epoch, off the clock. {source if given is None else '--target-accuracy set the target.'} Medians "
        "(lowest–highest) over the n replicates that reached the target."
    )
    return by_side(rows, _named(cases), shown, caption, "Time to accuracy") if rows else None


def _reached_cell(side: Side, target: float) -> Cell:
    time_to = metrics.time_to(target)
    reached = len(side.values(time_to))
    marks = () if reached else ("No replicate reached the target; the next column has the highest accuracy.",)
    return dataclasses.replace(range_cell(side, time_to, duration_range), detail=f"n {reached}", notes=marks)


def target_of(case: CaseResult) -> float | None:
    """The highest multiple of TARGET_STEP that every replicate of a case reached; None where there is none above 0."""
    best = [metrics.best_test_accuracy(record) for side in case.sides for record in side.ok.values()]
    reached = min((0.0 if value is None else value for value in best), default=0.0)
    steps = math.floor(reached / TARGET_STEP + 1e-9)
    return round(steps * TARGET_STEP, 9) if steps else None


def _seeds(cases: Sequence[CaseResult]) -> Table | None:
    """Test accuracy over several seeds, since one seed does not show which framework learns better."""
    named = _named(cases, "seed")
    groups = [members for members in alike(cases, ["seed"]) if len({one.case.seed for one in members}) >= FEWEST_SEEDS]
    rows = [row for members in groups for row in _seed_rows(named, members)]
    heads = (*named, "competitor", "seeds", "accuracy", "against the first", "p")
    caption = (
        "Accuracy on the test images over seeds: means with half of the 95 % t interval. Replicates with the same seed "
        "count as one observation. Differences are taken seed by seed; p is the p-value of the paired t test, without "
        "adjustment."
    )
    return Table(caption, heads, tuple(rows), len(named) + 1, "Does one learn better?") if rows else None


def _seed_rows(named: Settings, members: Sequence[CaseResult]) -> Iterator[tuple[Cell, ...]]:
    labels = list(dict.fromkeys(side.label for case in members for side in case.sides))
    by_seed = {label: _accuracies(members, label) for label in labels}
    first = by_seed[labels[0]]
    for label in labels:
        side = next(side for case in members for side in case.sides if side.label == label)
        own = by_seed[label]
        difference = [own[seed] - first[seed] for seed in own if seed in first]
        compared = (Cell(DASH), Cell(DASH)) if label == labels[0] else _against(difference)
        name = (*setting_cells(named, members[0].case), Cell(side.name))
        yield (*name, Cell(str(len(own))), Cell(_points(list(own.values()))), *compared)


def _accuracies(members: Sequence[CaseResult], label: str) -> dict[int, float]:
    """The accuracy of each seed: the mean of the replicates with that seed."""
    found: dict[int, float] = {}
    for case in members:
        for side in case.sides:
            if side.label == label and (values := side.values(metrics.accuracy)):
                found[case.case.seed] = math.fsum(values) / len(values)
    return found


def _against(differences: list[float]) -> tuple[Cell, Cell]:
    if len(differences) < FEWEST_SEEDS or len(set(differences)) == 1:
        return Cell(DASH), Cell(DASH)
    p = float(ttest_1samp(differences, 0).pvalue)
    return Cell(_points(differences, signed=True)), Cell(f"{p:.2g}", f"n {len(differences)}")


def _points(values: list[float], signed: bool = False) -> str:
    if not values:
        return DASH
    middle = math.fsum(values) / len(values)
    interval = interval_of_mean(values)
    if interval is None:
        return f"{100 * middle:.1f} %"
    text = with_half_width(100 * middle, 100 * interval[0], 100 * interval[1], "%")
    return f"+{text}" if signed and middle > 0 else text
