"""Tables of end-to-end training: stages and accuracy, epochs and waiting, time to an accuracy, several seeds."""

import dataclasses
import math
from collections.abc import Iterator, Sequence

from scipy.stats import ttest_1samp

from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.sides import Side
from aggregator.report.model import Cell, Table
from aggregator.report.cells import MEAN_NOTE, dash, range_cell, rate_cell, seed_cell, stage_cell
from aggregator.report.footnotes import Footnotes
from aggregator.judge.cases import natural
from aggregator.report.settings import Columns, setting_cells, setting_columns
from aggregator.report.answers import incomplete
from aggregator.base.quantities import DASH, duration_range, number_range, percent_range, with_half_width
from aggregator.base.case_names import digest
from aggregator.base.text import clean
from method.compare import interval_of_mean
from runners.harness.case import Case

SETTINGS = ("network", "batch_size", "workers", "cache", "augment", "epochs")
STAGES = ("train", "evaluate")
OTHER_STAGES = ("load", "build", "save", "restore")
FEWEST_SEEDS = 2
TARGET_STEP = 0.05
"""Targets of the time to an accuracy are whole multiples of this."""


def fit_tables(cases: Sequence[CaseResult], target: float | None = None) -> list[Table]:
    """Every table that these cases of `fit` fill; `target` is the test accuracy that they are timed to."""
    ordered = sorted(cases, key=natural)
    found = (_stages(ordered), _epochs(ordered), _times_to_accuracy(ordered, target), _seeds(ordered))
    return [table for table in found if table]


def _stages(cases: Sequence[CaseResult]) -> Table:
    notes = Footnotes()
    named = _named(cases)
    sides = [(case.case, side) for case in cases for side in case.sides]
    rows = [(*_name(named, case, side), *_stage_cells(side, notes)) for case, side in sides]
    labels = (*named, "competitor")
    heads = (*labels, "n", *STAGES, "accuracy", "restored", "last loss", *OTHER_STAGES)
    caption = (
        f"End-to-end training from disk: each stage, and accuracy on the test images. Of {' and '.join(STAGES)} the "
        f"geometric means over n replicates ({MEAN_NOTE}), of the others medians (lowest–highest)."
    )
    return Table(caption, heads, tuple(rows), len(labels), notes.texts, cases=tuple(digest(case) for case, _ in sides))


def _named(cases: Sequence[CaseResult], *without: str) -> Columns:
    return setting_columns([case.case for case in cases], SETTINGS, without)


def _name(named: Columns, case: Case, side: Side) -> tuple[Cell, ...]:
    """The cells of a row that say what was trained, and by whom."""
    return (*setting_cells(named, case), Cell(clean(side.label, 60)))


def _stage_cells(side: Side, notes: Footnotes) -> tuple[Cell, ...]:
    if not side.ok:
        return (Cell("0"), dash(side, notes), *(Cell(DASH) for _ in range(len(STAGES) + len(OTHER_STAGES) + 2)))
    train, *rest = (stage_cell(side, metrics.stage(stage)) for stage in STAGES)
    stages = [dataclasses.replace(train, side=clean(side.label, 60)), *rest]
    others = [range_cell(side, metrics.stage(stage), duration_range) for stage in OTHER_STAGES]
    accuracy = seed_cell(side, metrics.accuracy, percent_range, notes)
    restored = seed_cell(side, metrics.accuracy_restored, percent_range, notes)
    loss = seed_cell(side, metrics.last_loss, number_range, notes)
    return (Cell(str(len(side.ok)), "", notes.mark(incomplete(side))), *stages, accuracy, restored, loss, *others)


def _epochs(cases: Sequence[CaseResult]) -> Table | None:
    """The first epoch and the others, and what part of them was spent waiting."""
    notes, named = Footnotes(), _named(cases)
    sides = [
        (case.case, side)
        for case in cases
        for side in case.sides
        if any(metrics.waiting(record) is not None for record in side.ok.values())
    ]
    rows = [
        (
            *_name(named, case, side),
            range_cell(side, metrics.first_epoch, duration_range),
            range_cell(side, metrics.steady_epoch, duration_range),
            rate_cell(side, notes, metrics.steady_rate),
            range_cell(side, metrics.waiting, percent_range),
        )
        for case, side in sides
    ]
    heads = (*named, "competitor", "first epoch", "later epochs", "later epochs, images", "waiting for data")
    caption = (
        "Medians (lowest–highest) over replicates; images a second are means. Waiting is the share of the training's "
        "time in which its loop had no batch to go on with, the start of the workers included."
    )
    if not rows:
        return None
    trained = tuple(digest(case) for case, _ in sides)
    return Table(caption, heads, tuple(rows), len(named) + 1, notes.texts, "Epochs", cases=trained)


def _times_to_accuracy(cases: Sequence[CaseResult], given: float | None) -> Table | None:
    notes, named = Footnotes(), _named(cases)
    sides = [
        (case.case, side, target)
        for case in cases
        if (target := given or target_of(case)) is not None
        for side in case.sides
        if any(metrics.best_test_accuracy(record) is not None for record in side.ok.values())
    ]
    rows = [
        (
            *_name(named, case, side),
            Cell(f"{100 * target:g} %"),
            _reached_cell(side, target, notes),
            range_cell(side, metrics.best_test_accuracy, percent_range),
        )
        for case, side, target in sides
    ]
    heads = (*named, "competitor", "test accuracy", "reached after", "highest after any epoch")
    chosen = (
        f"The target is the highest multiple of {100 * TARGET_STEP:.0f} % that every replicate of every side reached; "
        "--target-accuracy sets another."
    )
    caption = (
        "Seconds of training until the test images, asked after every epoch and off the clock, were classified as well "
        f"as this. {chosen if given is None else 'The target was given.'} Medians (lowest–highest) over replicates; n "
        "says how many reached it."
    )
    if not rows:
        return None
    trained = tuple(digest(case) for case, *_ in sides)
    return Table(caption, heads, tuple(rows), len(named) + 1, notes.texts, "Time to accuracy", cases=trained)


def _reached_cell(side: Side, target: float, notes: Footnotes) -> Cell:
    time_to = metrics.time_to(target)
    reached = sum(time_to(record) is not None for record in side.ok.values())
    marks = () if reached else notes.mark("No replicate reached it; what they did reach stands beside it.")
    return dataclasses.replace(range_cell(side, time_to, duration_range), detail=f"n {reached}", notes=marks)


def target_of(case: CaseResult) -> float | None:
    """The highest multiple of TARGET_STEP that every replicate of a case reached, None where some reached none."""
    best = [metrics.best_test_accuracy(record) for side in case.sides for record in side.ok.values()]
    reached = min((0.0 if value is None else value for value in best), default=0.0)
    steps = math.floor(reached / TARGET_STEP + 1e-9)
    return round(steps * TARGET_STEP, 9) if steps else None


def _seeds(cases: Sequence[CaseResult]) -> Table | None:
    """Test accuracy over seeds: what one seed cannot tell."""
    named = _named(cases, "seed")
    rows = [row for members in _apart_from_seed(cases) for row in _seed_rows(named, members)]
    heads = (*named, "competitor", "seeds", "accuracy", "against the first", "p")
    caption = (
        "Accuracy on the test images over seeds: means with half the 95 % t interval. A seed is one observation, "
        "however often it was repeated; differences are taken seed by seed, p is of the paired t test, unadjusted."
    )
    return Table(caption, heads, tuple(rows), len(named) + 1, (), "Does one learn better?") if rows else None


def _apart_from_seed(cases: Sequence[CaseResult]) -> Iterator[list[CaseResult]]:
    alike: dict[Case, list[CaseResult]] = {}
    for case in cases:
        alike.setdefault(dataclasses.replace(case.case, seed=0), []).append(case)
    return (members for members in alike.values() if len({one.case.seed for one in members}) >= FEWEST_SEEDS)


def _seed_rows(named: Columns, members: Sequence[CaseResult]) -> Iterator[tuple[Cell, ...]]:
    labels = list(dict.fromkeys(side.label for case in members for side in case.sides))
    by_seed = {label: _accuracies(members, label) for label in labels}
    first = by_seed[labels[0]]
    for label in labels:
        side = next(side for case in members for side in case.sides if side.label == label)
        own = by_seed[label]
        difference = [own[seed] - first[seed] for seed in own if seed in first]
        compared = (Cell(DASH), Cell(DASH)) if label == labels[0] else _against(difference)
        yield (*_name(named, members[0].case, side), Cell(str(len(own))), Cell(_points(list(own.values()))), *compared)


def _accuracies(members: Sequence[CaseResult], label: str) -> dict[int, float]:
    """The accuracy of each seed, a seed's replicates averaged."""
    found: dict[int, float] = {}
    for case in members:
        for side in case.sides:
            values = [value for record in side.ok.values() if (value := metrics.accuracy(record)) is not None]
            if side.label == label and values:
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
