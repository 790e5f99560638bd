"""What comes before the steady state, and what a replicate takes of the machine: a table a workload."""

from collections.abc import Callable, Sequence

from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.metrics import Metric
from aggregator.report.model import Cell, Table
from aggregator.report.cells import range_cell
from aggregator.base.quantities import bytes_range, duration_range
from aggregator.base.case_names import digest, heading
from aggregator.base.text import clean
from method.statistic import STEP_WORKLOADS
from runners.harness.case import Case

COLUMNS: tuple[tuple[str, Metric, Callable[[Sequence[float]], str]], ...] = (
    ("import", metrics.import_time, duration_range),
    ("set-up", metrics.setup_time, duration_range),
    ("first step, cold cache", metrics.first_step_from("cold"), duration_range),
    ("first step, warm cache", metrics.first_step_from("warm"), duration_range),
    ("first step, no cache", metrics.first_step_from(None), duration_range),
    ("peak memory", metrics.peak_memory, bytes_range),
    ("peak GPU memory", metrics.peak_gpu_memory, bytes_range),
)
"""What is shown where any replicate has it."""
STEP_NOTE = (
    "The first step traces, compiles and tunes. A variant that keeps compiled code does so in a cache that the blocks "
    "of a run share: the first replicate of a competitor on a case finds it empty (cold), later ones do not (warm). "
    "CPU time is that of all processes over the timed steps, warm-up included."
)
NOTES = {"fit": "CPU time is that of all processes over all stages, an image of each epoch."}


def startup_table(workload: str, cases: Sequence[CaseResult], names: dict[Case, str]) -> Table | None:
    """A row a case and competitor; None where no replicate went well."""
    rows = [(result.case, side) for result in cases for side in result.sides if side.ok]
    # Row by row, not column by column: a side's records lie together in memory.
    found = [[range_cell(side, read, show) for _, read, show in COLUMNS] for _, side in rows]
    shown = [at for at in range(len(COLUMNS)) if any(row[at].value is not None for row in found)]
    heads = ("case", "competitor", "n", *(COLUMNS[at][0] for at in shown), "CPU time an image")
    cells = tuple(
        (
            Cell(names[case]),
            Cell(clean(side.label, 60)),
            Cell(str(len(side.ok))),
            *(row[at] for at in shown),
            range_cell(side, metrics.cpu_time, duration_range),
        )
        for (case, side), row in zip(rows, found, strict=True)
    )
    note = STEP_NOTE if workload in STEP_WORKLOADS else NOTES.get(workload, "")
    caption = f"Medians (lowest–highest) over n replicates; memory is the peak of the process tree. {note}".strip()
    if not rows:
        return None
    title = f"{heading(workload)}: start-up and resources"
    return Table(caption, heads, cells, 2, title=title, cases=tuple(digest(case) for case, _ in rows))
