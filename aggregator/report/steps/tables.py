"""Step times as the field publishes them: network × size × batch. For each competitor the table has the time of a step,
its share of what the machine could attain, and peak memory. The machine's own rates are a table too."""

from collections.abc import Sequence

import numpy as np

from aggregator.base.case_names import SCOPES, digest, group, heading, parameters
from aggregator.base.quantities import DASH, duration, middle_bytes
from aggregator.base.text import clean
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import alike, natural
from aggregator.judge.metrics import Metric
from aggregator.judge.roofline import PRODUCT, Attainable, Roof, Unknown, side_rate
from aggregator.judge.sides import Side
from aggregator.report.cells import MEAN_NOTE, by_column, columns, dash, limit_cell, rate_cell, share_cell, time_cell
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Cell, Table
from aggregator.report.settings import setting_cells, setting_columns
from aggregator.report.tables import by_competitor
from runners.harness.case import Case

SHARE = (
    "Attainable is the shortest possible time of a step: the longer of the time that its operations take at the rate "
    "of the machine's best matrix product, and the time that its memory traffic takes at the rate of the machine's "
    "best copy. Attained is the attainable time as a share of the median step. It can exceed 100 %, because algorithms "
    "such as Winograd's need fewer operations than are counted."
)
MEMORY = "Memory is the peak of the process tree from the first step on"
GPU_MEMORY = "Memory is the peak of the GPU memory of the process or, where that is unknown, of its allocator"
LABELS = ("network", "input_size", "batch_size")
ROOF_STAGES = {"product": "matrix product", "copy": "copy of a large array"}


def step_tables(cases: Sequence[CaseResult], roof: Roof) -> list[Table]:
    """A table for each device, precision, scope and every other axis but network, size and batch: the time of a step
    and, where the device works asynchronously, the throughput."""
    found = []
    for family in alike(cases, LABELS):
        found.append(_time_table(family, roof))
        fed = [result for result in family if any(side.values(metrics.throughput) for side in result.sides)]
        found += [_throughput_table(fed)] if fed else []
    return found


def _time_table(cases: Sequence[CaseResult], roof: Roof) -> Table:
    notes, labels, case = Footnotes(), columns(cases), cases[0].case
    named = setting_columns([result.case for result in cases], LABELS)
    on_gpu = case.device == "gpu"
    memory = metrics.peak_gpu_memory if on_gpu else metrics.peak_memory
    limits = [roof.attainable(result) for result in cases]
    unknown = dict.fromkeys(limit.reason for limit in limits if isinstance(limit, Unknown))
    # Where no limit is known the columns would hold nothing but dashes, and push the last competitors off the screen.
    bounded = any(isinstance(limit, Attainable) for limit in limits)
    rows = []
    for result, limit in zip(cases, limits, strict=True):
        sides = {side.name: side for side in result.sides}
        cells = [
            cell for label in labels for cell in _group(sides.get(label), limit if bounded else None, memory, notes)
        ]
        rows.append((*setting_cells(named, result.case), *cells, *([_limit_cell(limit, notes)] if bounded else [])))
    heads = ("time", "attained", "memory") if bounded else ("time", "memory")
    share = SHARE if bounded else f"What the machine could attain is unknown: {'; '.join(unknown)}."
    return Table(
        f"Time of a step: the median, with the device synchronised after every step. {MEAN_NOTE}. {_precision(cases)} "
        f"{share} {GPU_MEMORY if on_gpu else MEMORY}; the table has the median over the same replicates.",
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
    caption = f"Throughput: images per second, with the device synchronised only after every few steps. {MEAN_NOTE}."

    def show(side: Side, notes: Footnotes) -> Cell:
        return rate_cell(side, notes, metrics.throughput)

    return by_competitor(cases, LABELS, show, caption, f"{_heading(cases[0].case)}: throughput")


def _group(side: Side | None, limit: Attainable | Unknown | None, memory: Metric, notes: Footnotes) -> Sequence[Cell]:
    """Time, share (where there is a column of shares) and memory of one competitor."""
    if side is None or not side.ok:
        return (dash(side, notes) if side else Cell(DASH)), *([Cell(DASH)] if limit else []), Cell(DASH)
    used = side.values(memory)
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
    """The precision that was requested and read back, and the precision in which each competitor keeps parameters."""
    kept: dict[str, dict[str, None]] = {}
    for side in (side for result in cases for side in result.sides):
        for record in side.ok.values():
            if precision := metrics.setting(record, "parameters"):
                kept.setdefault(precision, {})[side.name] = None
    said = f"Precision: {clean(cases[0].case.precision, 40)}, as requested and as read back"
    if len(kept) > 1:
        said += "".join(f"; parameters in {how}: {', '.join(who)}" for how, who in kept.items())
    return f"{said}; parameters in {next(iter(kept))}." if len(kept) == 1 else f"{said}."


def roof_table(cases: Sequence[CaseResult]) -> Table:
    """What the machine can do: the rates from which attainable times are computed."""
    notes, labels = Footnotes(), columns(cases)
    rows = []
    ordered = sorted(cases, key=natural)
    for result in ordered:
        case, reached = result.case, [found for side in result.sides if (found := side_rate(side))]
        best = max(reached, key=lambda rate: rate.per_second, default=None)
        name = (ROOF_STAGES.get(group(case), group(case)), clean(case.precision, 40), case.device.upper())
        cells = by_column(result, labels, notes, limit_cell)
        rows.append((*map(Cell, name), *cells, Cell(clean(best.by, 60) if best else DASH)))
    return Table(
        f"Measured rates. Attainable times are computed from the best rate of each row. {MEAN_NOTE}.",
        ("measured", "precision", "device", *(clean(label, 60) for label in labels), "best"),
        tuple(rows),
        3,
        notes.texts,
        title="What the machine can do",
        cases=tuple(digest(result.case) for result in ordered),
    )
