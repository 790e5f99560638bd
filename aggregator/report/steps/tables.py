"""Step times as the field publishes them: network × size × batch. For each competitor the table has the time of a step,
its share of what the machine could attain, and peak memory. The machine's own rates are a table too."""

from collections.abc import Sequence

import numpy as np

from aggregator.base.case_names import SCOPES, group, heading, parameters
from aggregator.base.quantities import DASH, duration, middle_bytes
from aggregator.base.text import clean
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import alike, natural
from aggregator.judge.metrics import Metric
from aggregator.judge.roofline import PRODUCT, Attainable, Roof, Unknown, side_rate
from aggregator.judge.sides import Side
from aggregator.report.cells import MEAN_NOTE, limit_cell, rate_cell, share_cell, time_cell
from aggregator.report.model import Cell, Table
from aggregator.report.tables import Column, Settings, by_competitor, setting_columns
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
    on_gpu = cases[0].case.device == "gpu"
    memory = metrics.peak_gpu_memory if on_gpu else metrics.peak_memory
    limits = {result.case: roof.attainable(result) for result in cases}
    shown: list[Column] = [
        ("time", lambda _, side: time_cell(side)),
        ("attained", lambda result, side: share_cell(side, limits[result.case])),
        ("memory", lambda _, side: _memory_cell(side, memory)),
    ]
    last = [("attainable", lambda result: _limit_cell(limits[result.case]))]
    share, unknown = SHARE, dict.fromkeys(limit.reason for limit in limits.values() if isinstance(limit, Unknown))
    if not any(isinstance(limit, Attainable) for limit in limits.values()):
        # Columns of dashes would push the last competitors off the screen.
        share, shown, last = f"What the machine could attain is unknown: {'; '.join(unknown)}.", shown[::2], []
    caption = (
        f"Time of a step: the median, with the device synchronised after every step. {MEAN_NOTE}. {_precision(cases)} "
        f"{share} {GPU_MEMORY if on_gpu else MEMORY}; the table has the median over the same replicates."
    )
    return by_competitor(cases, setting_columns(cases, LABELS), shown, caption, _heading(cases[0].case), last)


def _throughput_table(cases: Sequence[CaseResult]) -> Table:
    caption = f"Throughput: images per second, with the device synchronised only after every few steps. {MEAN_NOTE}."
    rate: Column = ("images", lambda _, side: rate_cell(side, metrics.throughput))
    return by_competitor(
        cases, setting_columns(cases, LABELS), [rate], caption, f"{_heading(cases[0].case)}: throughput"
    )


def _memory_cell(side: Side, memory: Metric) -> Cell:
    used = side.values(memory)
    return Cell(middle_bytes(used), value=float(np.median(used)) if used else None)


def _limit_cell(limit: Attainable | Unknown) -> Cell:
    if isinstance(limit, Unknown):
        return Cell(DASH, "", (limit.reason,))
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
    settings: Settings = {
        "measured": lambda case: Cell(ROOF_STAGES.get(group(case), group(case))),
        "precision": lambda case: Cell(clean(case.precision, 40)),
        "device": lambda case: Cell(case.device.upper()),
    }
    rate: Column = ("rate", lambda _, side: limit_cell(side))
    caption = f"Measured rates. Attainable times are computed from the best rate of each row. {MEAN_NOTE}."
    ordered = sorted(cases, key=natural)
    return by_competitor(ordered, settings, [rate], caption, "What the machine can do", [("best", _best_cell)])


def _best_cell(result: CaseResult) -> Cell:
    reached = [found for side in result.sides if (found := side_rate(side))]
    best = max(reached, key=lambda rate: rate.per_second, default=None)
    return Cell(clean(best.by, 60) if best else DASH)
