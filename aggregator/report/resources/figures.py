"""Memory and first steps, drawn for every case."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import by_workload
from aggregator.judge.metrics import Metric
from aggregator.report.figures.dot_plot import dot_plot, file_of, row_of
from aggregator.report.figures.style import Palette
from aggregator.report.model import Figure
from aggregator.judge.cases import natural
from aggregator.base.case_names import title


@dataclass(frozen=True)
class Reading:
    """A number of a record that is drawn for every case, and another one that is drawn hollow beside it.

    `elsewhere` are workloads that have it in a figure of their own.
    """

    file: str
    title: str
    axis: str
    unit: float
    read: Metric
    hollow: Metric | None = None
    caption: str = "Medians over replicates; lines from the lowest to the highest."
    elsewhere: tuple[str, ...] = ()


READINGS = (
    Reading("peak-memory", "Peak memory", "MiB, peak of the process tree", 2**20, metrics.peak_memory),
    Reading("peak-gpu-memory", "Peak GPU memory", "MiB", 2**20, metrics.peak_gpu_memory),
    Reading(
        "first-step",
        "First step",
        "seconds",
        1.0,
        metrics.first_step_unaided,
        metrics.first_step_from("warm"),
        "Medians over replicates; lines from the lowest to the highest. Filled: without compiled code from before; "
        "hollow: with what the first replicate left in the compiler's cache.",
        elsewhere=("load",),
    ),
)


def reading_figures(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> list[Figure]:
    """Each reading, workload by workload; `prefix` tells the files of one part from another's."""
    workloads = [(workload, sorted(members, key=natural)) for workload, members in by_workload(cases)]
    found = [
        reading_figure(reading, workload, members, palette, prefix)
        for reading in READINGS
        for workload, members in workloads
        if workload not in reading.elsewhere
    ]
    return [figure for figure in found if figure]


def reading_figure(
    reading: Reading, workload: str, cases: Sequence[CaseResult], palette: Palette, prefix: str
) -> Figure | None:
    """The medians of one reading; None where one side alone has it, which a table tells as well."""
    rows = []
    series = [(read, hollow) for read, hollow in ((reading.read, False), (reading.hollow, True)) if read]
    for case, side, (read, hollow) in ((c, side, one) for c in cases for side in c.sides for one in series):
        found = [value for record in side.ok.values() if (value := read(record)) is not None]
        values = [value / reading.unit for value in found if value > 0]
        if values:
            row = row_of(case, side, statistics.median(values), min(values), max(values))
            rows.append({**row, "hollow": hollow})
    if len({row["competitor"] for row in rows}) < 2:
        return None  # nothing beside it: the table has it
    svg = dot_plot(rows, f"{reading.axis} (log scale)", palette)
    name = f"{prefix}{reading.file}-{file_of(workload)}"
    return Figure(name, f"{reading.title}: {title(workload)}", reading.caption, svg)
