"""The figures of one part of a report, the most telling first."""

from collections.abc import Sequence
from dataclasses import replace

from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import by_workload, natural
from aggregator.judge.roofline import Roof
from aggregator.report.figures.style import Palette
from aggregator.report.fit.figures import against_time, history
from aggregator.report.loaders.figures import cost, first_batch, throughput
from aggregator.report.model import Figure
from aggregator.report.relative_speed import STEPS, relative_speed
from aggregator.report.resources.figures import CPU_ENERGY, FIRST_STEP, GPU_ENERGY, GPU_MEMORY, MEMORY, reading_figure
from aggregator.report.steps.figures import roofline_figures

MOST_OPEN = 5
"""Figures that a report shows; the others are folded."""


def part_figures(cases: Sequence[CaseResult], roof: Roof, palette: Palette, prefix: str) -> tuple[Figure, ...]:
    """The figures that say something; `prefix` distinguishes the files of different parts."""
    members = {workload: sorted(found, key=natural) for workload, found in by_workload(cases)}
    steps = [case for workload, found in members.items() if workload in STEPS for case in found]
    loads, fits = members.get("load", []), members.get("fit", [])
    others = [found for workload, found in members.items() if workload not in STEPS]
    found = (
        relative_speed(steps, palette),
        throughput(loads, palette),
        against_time(fits, palette),
        reading_figure(MEMORY, cases, palette),
        reading_figure(FIRST_STEP, cases, palette),
        reading_figure(GPU_MEMORY, cases, palette),
        reading_figure(CPU_ENERGY, cases, palette),
        reading_figure(GPU_ENERGY, cases, palette),
        *(relative_speed(one, palette) for one in others),
        history(fits, palette),
        cost(loads, palette),
        first_batch(loads, palette),
        *roofline_figures(cases, roof, palette),
    )
    return tuple(replace(figure, name=f"{prefix}{figure.name}") for figure in found if figure)
