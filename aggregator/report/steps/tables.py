"""Step times as the field publishes them: network × size × batch, and for each competitor its time, its share of what
the machine could attain, its peak memory."""

from collections.abc import Iterator, Sequence

import numpy as np

from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.metrics import Metric
from aggregator.judge.roofline import PRODUCT, Attainable, Roof, Unknown
from aggregator.judge.sides import Side
from aggregator.report.model import Cell, Table
from aggregator.report.cells import MEAN_NOTE, by_column, columns, dash, rate_cell, share_cell, time_cell
from aggregator.report.footnotes import Footnotes
from aggregator.judge.cases import natural
from aggregator.report.settings import setting_cells, setting_columns
from aggregator.base.quantities import DASH, duration, middle_bytes
from aggregator.base.case_names import SCOPES, digest, heading, parameters
from aggregator.base.text import clean
from runners.harness.case import AXES, Case
from runners.harness.record import Record

SHARE = (
    "Attainable is the longer of two times: the step's operations at the machine's best matrix product, and its bytes "
    "at its best copy; attained is its share of the median step. Algorithms such as Winograd's need fewer operations "
    "than are counted, so that a share above 100 % is possible."
)
MEMORY = "Memory is the peak of the process tree from the first step on"
GPU_MEMORY = (
    "Memory is the peak of what the process held of the GPU or, where that is unknown, of what its allocator gave out"
)
LABELS = ("network", "input_size", "batch_size")


def step_tables(cases: Sequence[CaseResult], roof: Roof) -> list[Table]:
    """A table for each device, precision, scope and whatever else no row may mix: the time of a step and, where
    the device works beside the CPU, the rate of steps nobody waits for."""
    families: dict[tuple[object, ...], list[CaseResult]] = {}
    for result in cases:
        families.setdefault(_family(result.case), []).append(result)
    found = []
    for family in (sorted(members, key=natural) for members in families.values()):
        found.append(_time_table(family, roof))
        fed = [result for result in family if any(metrics.throughput(record) for record in _records(result))]
        found += [_throughput_table(fed)] if fed else []
    return found


def _family(case: Case) -> tuple[object, ...]:
    return (case.workload, case.device, *(getattr(case, axis.name) for axis in AXES if axis.name not in LABELS))


def _records(result: CaseResult) -> Iterator[Record]:
    return (record for side in result.sides for record in side.ok.values())


def _time_table(cases: Sequence[CaseResult], roof: Roof) -> Table:
    notes, labels, case = Footnotes(), columns(cases), cases[0].case
    named = setting_columns([result.case for result in cases], LABELS)
    on_gpu = case.device == "gpu"
    memory = metrics.peak_gpu_memory if on_gpu else metrics.peak_memory
    limits = [roof.attainable(result) for result in cases]
    unknown = dict.fromkeys(limit.reason for limit in limits if isinstance(limit, Unknown))
    # Where no limit is known the columns would be of dashes, and push the last competitors off the screen.
    bounded = any(isinstance(limit, Attainable) for limit in limits)
    rows = []
    for result, limit in zip(cases, limits, strict=True):
        sides = {side.label: side for side in result.sides}
        cells = [
            cell for label in labels for cell in _group(sides.get(label), limit if bounded else None, memory, notes)
        ]
        rows.append((*setting_cells(named, result.case), *cells, *([_limit_cell(limit, notes)] if bounded else [])))
    heads = ("time", "attained", "memory") if bounded else ("time", "memory")
    share = SHARE if bounded else f"What the machine could attain is unknown: {'; '.join(unknown)}."
    return Table(
        f"Median step, the device waited for after each. {MEAN_NOTE}. {_precision(cases)} {share} "
        f"{GPU_MEMORY if on_gpu else MEMORY}, the median over the same replicates.",
        (*named, *heads * len(labels), *(["attainable"] if bounded else [])),
        tuple(rows),
        len(named),
        notes.texts,
        title=_heading(case),
        groups=(
            ("", len(named)),
            *((clean(label, 60), len(heads)) for label in labels),
            *([("", 1)] if bounded else []),
        ),
        cases=tuple(digest(result.case) for result in cases),
    )


def _throughput_table(cases: Sequence[CaseResult]) -> Table:
    notes, labels, case = Footnotes(), columns(cases), cases[0].case
    named = setting_columns([result.case for result in cases], LABELS)

    def show(side: Side, notes: Footnotes) -> Cell:
        return rate_cell(side, notes, metrics.throughput)

    rows = tuple((*setting_cells(named, result.case), *by_column(result, labels, notes, show)) for result in cases)
    return Table(
        f"Throughput: images a second, the device waited for after every few steps. {MEAN_NOTE}.",
        (*named, *(clean(label, 60) for label in labels)),
        rows,
        len(named),
        notes.texts,
        title=f"{_heading(case)}: throughput",
        cases=tuple(digest(result.case) for result in cases),
    )


def _group(side: Side | None, limit: Attainable | Unknown | None, memory: Metric, notes: Footnotes) -> Sequence[Cell]:
    """Time, share (where there is a column of shares) and memory of one competitor."""
    if side is None or not side.ok:
        return (dash(side, notes) if side else Cell(DASH)), *([Cell(DASH)] if limit else []), Cell(DASH)
    used = [found for record in side.ok.values() if (found := memory(record)) is not None]
    peak = float(np.median(used)) if used else None
    share = [share_cell(side, limit)] if limit else []
    return time_cell(side, notes), *share, Cell(middle_bytes(used), value=peak)


def _limit_cell(limit: Attainable | Unknown, notes: Footnotes) -> Cell:
    if isinstance(limit, Unknown):
        return Cell(DASH, "", notes.mark(limit.reason))
    text = duration(limit.seconds, *(limit.bounds or ()))
    return Cell(text, "product" if limit.limit == PRODUCT else "copy", value=limit.seconds)


def _heading(case: Case) -> str:
    scope = SCOPES.get(case.scope or "", clean(case.scope or "", 40))
    parts = (heading(case.workload), clean(case.precision, 40), scope, case.device.upper())
    return ", ".join(part for part in (*parts, parameters(case, *LABELS, "precision", "scope")) if part)


def _precision(cases: Sequence[CaseResult]) -> str:
    """What was asked for and seen in effect, and what each competitor keeps its parameters in."""
    kept: dict[str, dict[str, None]] = {}
    for side in (side for result in cases for side in result.sides):
        for record in side.ok.values():
            parameters = record.effective.settings.get("parameters") if record.effective else None
            if parameters:
                kept.setdefault(clean(parameters, 40), {})[clean(side.label, 60)] = None
    said = f"Precision {clean(cases[0].case.precision, 40)}, as asked for and as read back"
    if len(kept) > 1:
        said += "".join(f"; parameters in {how}: {', '.join(who)}" for how, who in kept.items())
    return f"{said}; parameters in {next(iter(kept))}." if len(kept) == 1 else f"{said}."
