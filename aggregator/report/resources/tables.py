"""Start-up and resources of the replicates: a table for each workload."""

from collections.abc import Callable, Sequence

from aggregator.base.case_names import heading
from aggregator.base.quantities import bytes_range, duration_range, energy_range
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.metrics import Metric
from aggregator.report.model import Cell, Table
from aggregator.report.tables import COUNT, Column, Row, by_side, spread
from method.statistic import STEP_WORKLOADS
from runners.harness.case import Case

Measured = tuple[str, Metric, Callable[[Sequence[float]], str]]
COLUMNS: tuple[Measured, ...] = (
    ("import", metrics.import_time, duration_range),
    ("set-up", metrics.setup_time, duration_range),
    ("first step, cold cache", metrics.first_step_from("cold"), duration_range),
    ("first step, warm cache", metrics.first_step_from("warm"), duration_range),
    ("first step, no cache", metrics.first_step_from(None), duration_range),
    ("peak memory", metrics.peak_memory, bytes_range),
    ("peak GPU memory", metrics.peak_gpu_memory, bytes_range),
    ("CPU time per image", metrics.cpu_time, duration_range),
)
ENERGY: tuple[Measured, ...] = (
    ("CPU energy per image", metrics.cpu_energy, energy_range),
    ("CPU energy per step", metrics.of_a_step(metrics.cpu_energy), energy_range),
    ("GPU energy per image", metrics.gpu_energy, energy_range),
    ("GPU energy per step", metrics.of_a_step(metrics.gpu_energy), energy_range),
)
"""Of both, a column is shown where a replicate has it."""
ENERGY_NOTE = (
    "Energy is what the whole CPU (with its memory, where that is counted) or the whole GPU took during the same time, "
    "also for other programs and for being idle: it compares only what ran alone."
)
STEP_NOTE = (
    "The first step includes tracing, compiling and tuning. Some variants keep compiled code in a cache, which all "
    "blocks of a run share: the first replicate of a competitor on a case finds the cache empty (cold), later "
    "replicates find the code in it (warm). CPU time is the CPU time of all processes during the timed steps and their "
    "warm-up."
)
MEMORY_NOTE = "Memory is the peak of the process tree."
NOTES = {
    "fit": "CPU time is the CPU time of all processes in all stages, divided by the number of images in all epochs."
}


def energy_columns(rows: Sequence[Row]) -> list[Column]:
    """The columns of energy, for the machine's counters. A table with any of them needs ENERGY_NOTE."""
    return _measured(ENERGY, rows)


def startup_table(workload: str, cases: Sequence[CaseResult], names: dict[Case, str]) -> Table | None:
    """A row for each case and competitor; None where no replicate went well."""
    rows = [(result, side) for result in cases for side in result.sides if side.ok]
    if not rows:
        return None
    energy = energy_columns(rows)
    shown = [COUNT, *_measured(COLUMNS, rows), *energy]
    notes = (STEP_NOTE if workload in STEP_WORKLOADS else NOTES.get(workload, ""), ENERGY_NOTE if energy else "")
    caption = " ".join(filter(None, ("Medians (lowest–highest) over n replicates. " + MEMORY_NOTE, *notes)))
    title = f"{heading(workload)}: start-up and resources"
    return by_side(rows, {"case": lambda case: Cell(names[case])}, shown, caption, title)


def _measured(columns: Sequence[Measured], rows: Sequence[Row]) -> list[Column]:
    """The columns that a replicate has a value for."""
    return [spread(*column) for column in columns if any(side.values(column[1]) for _, side in rows)]
