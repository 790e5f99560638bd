"""Tables in the shapes that the field publishes."""

import re
from collections.abc import Callable, Iterable, Sequence

from aggregator import metrics
from aggregator.analysis import CaseResult
from aggregator.answers import incomplete, score
from aggregator.cells import dash, range_cell, rate_cell, seed_cell, time_cell
from aggregator.footnotes import Footnotes
from aggregator.model import Cell, Table
from aggregator.quantities import DASH, bytes_range, duration_range, number_range, percent_range
from aggregator.sides import Side
from aggregator.words import clean, group
from method.verdict import Verdict
from runners.harness.case import Case

STAGES = ("train", "evaluate")
OTHER_STAGES = ("load", "build", "save", "restore")
TITLES = {"train": "Training step", "infer": "Inference step"}
MEAN_NOTE = "± is half the 95 % t interval over n blocks (fresh processes)"
TALLY = (
    Verdict.EQUIVALENT,
    Verdict.INCONCLUSIVE,
    Verdict.UNSTABLE,
    Verdict.NOT_COMPARABLE,
    Verdict.FEW_BLOCKS,
    Verdict.INCOMPLETE,
)


def result_tables(cases: Sequence[CaseResult], names: dict[Case, str]) -> tuple[Table, ...]:
    """Every table that these cases fill."""
    by_workload: dict[str, list[CaseResult]] = {}
    for case in cases:
        by_workload.setdefault(case.case.workload, []).append(case)
    found = []
    for workload, members in by_workload.items():
        if workload == "fit":
            found.append(_fit_table(members))
        elif workload == "load":
            found.append(_load_table(members))
        else:
            found += _step_tables(TITLES.get(workload, clean(workload, 40)), members)
    return (*found, _startup_table(cases, names)) if cases else ()


def score_table(cases: Sequence[CaseResult]) -> Table:
    """How many cases of each workload were won by whom, tied, open or not comparable."""
    workloads = list(dict.fromkeys(case.case.workload for case in cases))
    shown = [verdict for verdict in TALLY if any(score(case)[0] is verdict for case in cases)]
    winners = list(dict.fromkeys(clean(side.label, 60) for case in cases if (side := score(case)[1])))
    rows = [
        _score_row(workload, [case for case in cases if case.case.workload == workload], winners, shown)
        for workload in workloads
    ]
    won = [f"won by {label}" for label in winners] or ["won"]
    heads = ("workload", "cases", "all sides finished", *won, *(_tally_name(verdict) for verdict in shown))
    caption = "A case is won only where every side finished and the fastest also beats the runner-up."
    return Table(caption, heads, tuple(rows), 1)


def _tally_name(verdict: Verdict) -> str:
    return "too few blocks" if verdict is Verdict.FEW_BLOCKS else verdict.value


def _score_row(workload: str, cases: list[CaseResult], winners: list[str], shown: list[Verdict]) -> tuple[Cell, ...]:
    scores = [score(case) for case in cases]
    won = [winner and clean(winner.label, 60) for _, winner in scores]
    numbers = [len(cases), sum(case.finished for case in cases)]
    numbers += [won.count(label) for label in winners] or [0]
    numbers += [sum(verdict is found for found, _ in scores) for verdict in shown]
    return (Cell(clean(workload, 40)), *(Cell(str(number)) for number in numbers))


def _step_tables(title: str, cases: list[CaseResult]) -> list[Table]:
    """The time of a step and, where the device works beside the CPU, the rate of steps nobody waits for."""
    fed = [
        case for case in cases if any(metrics.throughput(record) for side in case.sides for record in side.ok.values())
    ]
    if not fed:
        return [_step_table(f"{title}: median step. {MEAN_NOTE}.", cases, time_cell)]
    latency = f"{title}, latency: median step, the device waited for after each. {MEAN_NOTE}."
    rate = f"{title}, throughput: images a second, the device waited for after every few steps. {MEAN_NOTE}."
    return [_step_table(latency, cases, time_cell), _step_table(rate, fed, _throughput_cell)]


def _throughput_cell(side: Side, notes: Footnotes) -> Cell:
    return rate_cell(side, notes, metrics.throughput)


def _step_table(caption: str, cases: list[CaseResult], show: Callable[[Side, Footnotes], Cell]) -> Table:
    notes, labels = Footnotes(), _columns(cases)
    rows = [
        (
            Cell(group(case.case)),
            Cell(DASH if case.case.input_size is None else f"{case.case.input_size} px"),
            Cell(str(case.case.batch_size)),
            *_by_column(case, labels, notes, show),
        )
        for case in sorted(cases, key=_natural)
    ]
    heads = ("network", "size", "batch", *(clean(label, 60) for label in labels))
    return Table(caption, heads, tuple(rows), 3, notes.texts)


def _load_table(cases: list[CaseResult]) -> Table:
    notes, labels = Footnotes(), _columns(cases)
    rows = [
        (
            Cell(group(case.case)),
            Cell(DASH if case.case.workers is None else str(case.case.workers)),
            Cell(str(case.case.batch_size)),
            *_by_column(case, labels, notes, rate_cell),
        )
        for case in sorted(cases, key=_natural)
    ]
    heads = ("stage", "workers", "batch", *(clean(label, 60) for label in labels))
    return Table(
        f"Data loading: images a second, delivery to delivery. {MEAN_NOTE}.", heads, tuple(rows), 3, notes.texts
    )


def _fit_table(cases: list[CaseResult]) -> Table:
    notes = Footnotes()
    rows = [_fit_row(case.case, side, notes) for case in sorted(cases, key=_natural) for side in case.sides]
    settings = ("network", "batch", "workers", "cache", "augment", "epochs", "competitor")
    heads = (*settings, "n", *STAGES, "accuracy", "restored", "last loss", *OTHER_STAGES)
    caption = (
        "End-to-end training from disk: each stage, and accuracy on the test images. "
        "Medians (lowest–highest) over n replicates."
    )
    return Table(caption, heads, tuple(rows), 7, notes.texts)


def _fit_row(case: Case, side: Side, notes: Footnotes) -> tuple[Cell, ...]:
    yes_no = {True: "yes", False: "no", None: DASH}
    epochs, workers = (DASH if value is None else str(value) for value in (case.epochs, case.workers))
    settings = (group(case), str(case.batch_size), workers, yes_no[case.cache], yes_no[case.augment], epochs)
    name = (*(Cell(text) for text in settings), Cell(clean(side.label, 60)))
    if not side.ok:
        return (*name, Cell("0"), dash(side, notes), *(Cell(DASH) for _ in range(len(STAGES) + len(OTHER_STAGES) + 2)))
    stages, others = (
        [range_cell(side, metrics.stage(stage), duration_range) for stage in names] for names in (STAGES, OTHER_STAGES)
    )
    accuracy = seed_cell(side, metrics.accuracy, percent_range, notes)
    restored = seed_cell(side, metrics.accuracy_restored, percent_range, notes)
    loss = seed_cell(side, metrics.last_loss, number_range, notes)
    n = Cell(str(len(side.ok)), "", notes.mark(incomplete(side)))
    return (*name, n, *stages, accuracy, restored, loss, *others)


def _startup_table(cases: Sequence[CaseResult], names: dict[Case, str]) -> Table:
    sides = [(case.case, side) for case in cases for side in case.sides if side.ok]
    on_gpu = any(case.device == "gpu" for case, _ in sides)
    heads = ("case", "competitor", "n", "import", "set-up", "first step or batch", "peak memory", "CPU time an image")
    rows = [(Cell(names[case]), Cell(clean(side.label, 60)), *_startup_cells(side, on_gpu)) for case, side in sides]
    caption = (
        "Start-up, memory and CPU time. Medians (lowest–highest) over n replicates; memory is the peak of the process "
        "tree. CPU time is that of all processes over the timed steps, warm-up included; for loaders without the pass "
        "for the first batch and the whole epoch, which come before; for end-to-end training of all stages, over the "
        "training images of all epochs."
    )
    return Table(caption, (*heads, "peak GPU memory") if on_gpu else heads, tuple(rows), 2)


def _startup_cells(side: Side, on_gpu: bool) -> list[Cell]:
    cells = [
        Cell(str(len(side.ok))),
        range_cell(side, metrics.import_time, duration_range),
        range_cell(side, metrics.setup_time, duration_range),
        range_cell(side, metrics.first_step, duration_range),
        range_cell(side, metrics.peak_memory, bytes_range),
        range_cell(side, metrics.cpu_time, duration_range),
    ]
    return [*cells, range_cell(side, metrics.peak_gpu_memory, bytes_range)] if on_gpu else cells


def _columns(cases: Iterable[CaseResult]) -> list[str]:
    return list(dict.fromkeys(side.label for case in cases for side in case.sides))


def _by_column(
    case: CaseResult, labels: list[str], notes: Footnotes, show: Callable[[Side, Footnotes], Cell]
) -> list[Cell]:
    sides = {side.label: side for side in case.sides}
    return [show(sides[label], notes) if label in sides else Cell(DASH) for label in labels]


def _natural(result: CaseResult) -> tuple[object, ...]:
    case = result.case
    sizes = (case.input_size or 0, case.workers or 0, case.batch_size)
    numbers = (*sizes, bool(case.cache), bool(case.augment), case.epochs or 0)
    network = tuple(
        (len(part), part) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", case.network or "")
    )
    order = {"decode": "1", "batch": "2", "normalize": "3", "transfer": "4"}
    return (order.get(case.stage or "", case.stage or ""), network, *numbers, repr(case))
