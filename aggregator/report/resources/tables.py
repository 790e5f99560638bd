"""Start-up and resources of the replicates: a table for each workload."""

from collections.abc import Sequence

from aggregator.base.case_names import heading
from aggregator.base.quantities import bytes_range, duration_range
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.report.model import Cell, Table
from aggregator.report.tables import COUNT, by_side, spread
from method.statistic import STEP_WORKLOADS
from runners.harness.case import Case

COLUMNS = (
    ("import", metrics.import_time, duration_range),
    ("set-up", metrics.setup_time, duration_range),
    ("first step, cold cache", metrics.first_step_from("cold"), duration_range),
    ("first step, warm cache", metrics.first_step_from("warm"), duration_range),
    ("first step, no cache", metrics.first_step_from(None), duration_range),
    ("peak memory", metrics.peak_memory, bytes_range),
    ("peak GPU memory", metrics.peak_gpu_memory, bytes_range),
)
"""Each is shown where a replicate has it."""
STEP_NOTE = (
    "The first step includes tracing, compiling and tuning. Some variants keep compiled code in a cache, which all "
    "blocks of a run share: the first replicate of a competitor on a case finds the cache empty (cold), later "
    "replicates find the code in it (warm). CPU time is the CPU time of all processes during the timed steps and their "
    "warm-up."
)
NOTES = {
    "fit": "CPU time is the CPU time of all processes in all stages, divided by the number of images in all epochs."
}


def startup_table(workload: str, cases: Sequence[CaseResult], names: dict[Case, str]) -> Table | None:
    """A row for each case and competitor; None where no replicate went well."""
    rows = [(result, side) for result in cases for side in result.sides if side.ok]
    if not rows:
        return None
    shown = [spread(*column) for column in COLUMNS if any(side.values(column[1]) for _, side in rows)]
    shown = [COUNT, *shown, spread("CPU time per image", metrics.cpu_time, duration_range)]
    note = STEP_NOTE if workload in STEP_WORKLOADS else NOTES.get(workload, "")
    caption = f"Medians (lowest–highest) over n replicates. Memory is the peak of the process tree. {note}".strip()
    title = f"{heading(workload)}: start-up and resources"
    return by_side(rows, {"case": lambda case: Cell(names[case])}, shown, caption, title)
