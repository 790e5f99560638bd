"""Figures of peak memory and of the first step, for every workload."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.base.case_names import title
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import by_workload, natural
from aggregator.judge.metrics import Metric
from aggregator.report.figures.dot_plot import dot_plot, file_of, row_of
from aggregator.report.figures.style import Palette
from aggregator.report.model import Figure


@dataclass(frozen=True)
class Reading:
    """A number of a record that is drawn for every case; `hollow` is a second number, drawn as a hollow mark.

    `elsewhere` are workloads that have another figure of this number.
    """

    file: str
    title: str
    axis: str
    unit: float
    read: Metric
    hollow: Metric | None = None
    caption: str = "Medians over replicates; lines run from the lowest to the highest replicate."
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
        "Medians over replicates; lines run from the lowest to the highest replicate. Filled marks: no compiled code "
        "from an earlier replicate. Hollow marks: with the code that the first replicate left in the compiler's cache.",
        elsewhere=("load",),
    ),
)


def reading_figures(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> list[Figure]:
    """Each reading for each workload; `prefix` distinguishes the files of different parts."""
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
    """The medians of one reading; None where only one side has it: the table shows it as well."""
    rows = []
    series = [(read, hollow) for read, hollow in ((reading.read, False), (reading.hollow, True)) if read]
    for case, side, (read, hollow) in ((c, side, one) for c in cases for side in c.sides for one in series):
        values = [value / reading.unit for value in side.values(read) if value > 0]
        if values:
            row = row_of(case, side, statistics.median(values), min(values), max(values))
            rows.append({**row, "hollow": hollow})
    if len({row["competitor"] for row in rows}) < 2:
        return None
    svg = dot_plot(rows, f"{reading.axis} (log scale)", palette)
    name = f"{prefix}{reading.file}-{file_of(workload)}"
    return Figure(name, f"{reading.title}: {title(workload)}", reading.caption, svg)
