"""Figures of peak memory, of the first step and of energy, over all workloads."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import by_workload, natural
from aggregator.judge.metrics import Metric
from aggregator.report.figures.axes import amounts
from aggregator.report.figures.compose import FEWEST_MARKS
from aggregator.report.figures.dot_plot import dot_plot, row_of
from aggregator.report.figures.style import Palette
from aggregator.report.model import Figure
from aggregator.report.resources.tables import ENERGY_NOTE

BYTES = ((2**30, "GiB"), (2**20, "MiB"))
JOULES = ((1.0, "J"), (1e-3, "mJ"))
SECONDS = ((1.0, "s"), (1e-3, "ms"))


class Reading(NamedTuple):
    """A number of a record that is drawn for every case, in the largest unit that the highest number reaches.

    `warm` is a second number, drawn as a hollow mark. `elsewhere` are workloads that have another figure of the number.
    """

    file: str
    title: str
    axis: str
    units: tuple[tuple[float, str], ...]
    read: Metric
    caption: str
    warm: Metric | None = None
    elsewhere: tuple[str, ...] = ()


LESS = "Further left takes less memory."
MEMORY = Reading("peak-memory", "Peak memory", "memory of all processes of a side", BYTES, metrics.peak_memory, LESS)
GPU_MEMORY = Reading("peak-gpu-memory", "Peak GPU memory", "GPU memory", BYTES, metrics.peak_gpu_memory, LESS)
FIRST_STEP = Reading(
    "first-step",
    "Time of the first step",
    "time of the first step",
    SECONDS,
    metrics.first_step_unaided,
    "Further left starts faster. The first step includes compilation.",
    metrics.first_step_from("warm"),
    elsewhere=("load",),
)
CPU_ENERGY = Reading(
    "cpu-energy",
    "CPU energy per image",
    "energy of the whole CPU per image",
    JOULES,
    metrics.cpu_energy,
    caption=f"Further left takes less energy. {ENERGY_NOTE}",
)
GPU_ENERGY = Reading(
    "gpu-energy",
    "GPU energy per image",
    "energy of the whole GPU per image",
    JOULES,
    metrics.gpu_energy,
    caption=f"Further left takes less energy. {ENERGY_NOTE}",
)
MEDIANS = " Marks are medians over replicates. Horizontal lines go from the lowest to the highest replicate."
WARM = (
    " Filled marks: without compiled code from an earlier replicate. Hollow marks: with the code that the first "
    "replicate left in the compiler's cache."
)


def reading_figure(reading: Reading, cases: Sequence[CaseResult], palette: Palette) -> Figure | None:
    """The medians of one reading; None where only one side has it: the table shows it as well."""
    series = [(read, hollow) for read, hollow in ((reading.read, False), (reading.warm, True)) if read]
    rows = [
        row_of(case, side, statistics.median(values), min(values), max(values), hollow=hollow)
        for workload, members in by_workload(cases)
        if workload not in reading.elsewhere
        for case in sorted(members, key=natural)
        for side in case.sides
        for read, hollow in series
        if (values := [value for value in side.values(read) if value > 0])
    ]
    if len({row["competitor"] for row in rows}) < 2 or len(rows) < FEWEST_MARKS:
        return None
    highest = max(row["high"] for row in rows)
    size, unit = next((one for one in reading.units if highest >= one[0]), reading.units[-1])
    rows = [{**row, **{end: row[end] / size for end in ("value", "low", "high")}} for row in rows]
    caption = reading.caption + MEDIANS + WARM * any(row["hollow"] for row in rows)
    axis = amounts([row["high"] for row in rows])
    return dot_plot(reading.file, reading.title, caption, rows, axis, f"{reading.axis}, {unit}", palette)
