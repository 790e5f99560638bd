"""Steps of several processes: images per second by the number of processes, and what becomes of the speed of one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from aggregator.base.case_names import heading, parameters
from aggregator.base.quantities import DASH, middle_bytes, with_half_width
from aggregator.base.text import clean
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import alike
from aggregator.judge.means import geometric_mean
from aggregator.judge.sides import Side
from aggregator.report.cells import MEAN_NOTE, range_cell, rate_cell
from aggregator.report.model import Cell, Table
from aggregator.report.tables import Column, by_competitor, setting_columns
from method.pairs import shared_blocks
from runners.harness.case import Case, Competitor

LABELS = ("network", "input_size", "batch_size", "processes")
EFFICIENCY = {
    "cpu": (
        "the rate of N processes divided by the rate of one process. N processes divide the CPUs of the run, and one "
        "process uses all of them: with 100 %, N processes lose nothing on the same CPUs; with more, they use the CPUs "
        "better than one process does"
    ),
    "gpu": (
        "the rate of N processes divided by N times the rate of one process. Each process has a GPU of its own: with "
        "100 %, N GPUs are N times as fast as one"
    ),
}
NOT_MEASURED = "the run has no blocks of one process and of several to compare"


def scale_tables(cases: Sequence[CaseResult]) -> list[Table]:
    """A table for each device and every other axis but network, size, batch and processes."""
    return [_table(family) for family in alike(cases, LABELS)]


def _table(cases: Sequence[CaseResult]) -> Table:
    device = cases[0].case.device
    single = {
        (result.case, side.competitor): side for result in cases if result.case.processes == 1 for side in result.sides
    }
    shown: list[Column] = [
        ("images", lambda _, side: rate_cell(side)),
        ("efficiency", lambda result, side: _efficiency_cell(result.case, side, single)),
        ("memory", lambda _, side: range_cell(side, metrics.peak_memory, middle_bytes)),
    ]
    caption = (
        f"Images per second of all processes together. {MEAN_NOTE}. Efficiency is {EFFICIENCY[device]}. Its interval "
        "is over the blocks in which both were measured. Memory is the sum of the peaks of all processes: the median "
        "over the same replicates."
    )
    return by_competitor(cases, setting_columns(cases, LABELS), shown, caption, _heading(cases[0].case))


def _efficiency_cell(case: Case, side: Side, single: Mapping[tuple[Case, Competitor], Side]) -> Cell:
    if case.processes == 1 or not side.ok:
        return Cell(DASH)
    one = single.get((replace(case, processes=1), side.competitor))
    blocks = shared_blocks([one.ok, side.ok]) if one else []
    if one is None or not blocks:
        return Cell(DASH, "", (NOT_MEASURED,))
    more_gpus = math.log(case.processes or 1) if case.device == "gpu" else 0.0
    logs = [_log_rate(side, number) - _log_rate(one, number) - more_gpus for number in blocks]
    mean = geometric_mean(logs)
    low, high = mean.ends
    text = with_half_width(100 * mean.value, 100 * low, 100 * high, "%")
    return Cell(text, f"n {mean.n}", value=mean.value)


def _log_rate(side: Side, block: int) -> float:
    return math.log(metrics.items_per_second(side.ok[block]))


def _heading(case: Case) -> str:
    parts = (heading(case.workload), clean(case.precision, 40), case.device.upper())
    return ", ".join(part for part in (*parts, parameters(case, *LABELS, "precision")) if part)
