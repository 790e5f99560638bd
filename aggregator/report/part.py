"""The results of one environment: answers, figures, tables, each case."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aggregator.base.case_names import anchor, contest_title
from aggregator.base.quantities import count
from aggregator.base.text import clean
from aggregator.judge.across_cases import adaptive
from aggregator.judge.analysis import CaseResult, Environment
from aggregator.judge.cases import by_contest, by_workload
from aggregator.judge.roofline import Roof, roof_of
from aggregator.report.across_cases import across_cases
from aggregator.report.answers import answer, axis_of
from aggregator.report.case_details import detail, listed_by_competitor, settings_in_common
from aggregator.report.exports.tables import export_tables
from aggregator.report.figures.raw_samples import samples_figure
from aggregator.report.figures.style import Palette
from aggregator.report.first_screen import outcome, totals
from aggregator.report.fit.images import shown_images
from aggregator.report.fit.tables import fit_tables
from aggregator.report.loaders.bounds import loading
from aggregator.report.loaders.tables import loader_tables
from aggregator.report.machine_advice import needed
from aggregator.report.model import Answer, AnswerAxis, AnswerGroup, CaseDetail, Part, Table
from aggregator.report.page import size_limits
from aggregator.report.part_figures import MOST_OPEN, part_figures
from aggregator.report.resources.tables import startup_table
from aggregator.report.scores import score_table
from aggregator.report.steps.scaling import scale_tables
from aggregator.report.steps.tables import roof_table, step_tables
from aggregator.report.undecided import going_on
from runners.harness.case import Case

READ_THROUGH = 60
"""Lists of more comparisons are folded, below the numbers of cases that each side won."""


class Shared(NamedTuple):
    """What all parts of a report share: names of cases, marks of competitors, bytes for the samples of a case, and the
    machine of each part."""

    names: dict[Case, str]
    palette: Palette
    sample_bytes: float
    target: float | None
    machines: Sequence[str]


def build_part(env: Environment, index: int, told: Sequence[CaseResult], untold: str, shared: Shared) -> Part:
    """The results of environment `index`; `told` are the cases that the part describes in full."""
    competed = [case for case in env.cases if not case.is_roof]
    ordered = [*competed, *(case for case in env.cases if case.is_roof)]
    roof = roof_of(env.cases)
    drawn, undrawn = size_limits.drawn(competed)
    links = {result.case: anchor(result.case, index) for result in told}
    names, palette, prefix = shared.names, shared.palette, f"part-{index + 1}-" if len(shared.machines) > 1 else ""

    at_a_glance, further = size_limits.at_a_glance(competed)
    titles = env.run.plan.titles if env.run.plan else {}
    axis = axis_of([found for result in env.cases for found in result.comparisons])
    common = settings_in_common(env.cases)
    lines = {
        result.case: tuple(
            answer(found, names[result.case], links.get(result.case, ""), axis) for found in result.comparisons
        )
        for result in ordered
    }

    def described(result: CaseResult) -> CaseDetail:
        name, link = names[result.case], links[result.case]
        samples = samples_figure(result, link, name, palette, shared.sample_bytes)
        return detail(result, name, link, lines[result.case], samples, roof, common)

    return Part(
        title=_title(env, index, shared.machines[index]) if len(shared.machines) > 1 else "",
        totals=totals([case for case in competed if not case.is_self]),
        outcomes=tuple(outcome(case, links.get(case.case, ""), palette) for case in at_a_glance),
        further=further,
        across_cases=across_cases(env, titles),
        scores=score_table([case for case in competed if not case.is_self]),
        groups=tuple(_groups(ordered, lines)),
        axis=AnswerAxis(f"{axis.low:.2f}×", f"{axis.place(1):.2f}", f"{axis.high:.2f}×") if axis else None,
        going_on=going_on(env, competed),
        advice=tuple(needed(competed)),
        loading=loading([case for case in competed if case.case.workload == "load"], palette, titles),
        figures=part_figures(drawn, roof, palette, prefix),
        open_figures=MOST_OPEN // len(shared.machines),
        undrawn=undrawn,
        tables=result_tables(env.cases, names, roof, shared.target, adaptive(env)),
        shown=shown_images([case for case in competed if case.case.workload == "fit"], palette, len(shared.machines)),
        in_common=listed_by_competitor(common),
        cases=tuple(map(described, told)),
        untold=untold,
    )


def result_tables(
    cases: Sequence[CaseResult],
    names: dict[Case, str],
    roof: Roof,
    target: float | None = None,
    is_adaptive: bool = True,
) -> tuple[Table, ...]:
    """Every table that these cases fill."""
    found = []
    for workload, members in by_workload(cases):
        if workload == "fit":
            found += fit_tables(members, target, is_adaptive)
        elif workload == "load":
            found += loader_tables(members)
        elif workload == "export":
            found += export_tables(members)
        elif workload == "scale":
            found += scale_tables(members)
        elif members[0].is_roof:
            found.append(roof_table(members))
        else:
            found += step_tables(members, roof)
    others = [(name, members) for name, members in by_workload(cases) if name != "load" and not members[0].is_roof]
    return (*found, *(table for name, members in others if (table := startup_table(name, members, names))))


def _groups(cases: Sequence[CaseResult], lines: Mapping[Case, tuple[Answer, ...]]) -> Iterator[AnswerGroup]:
    every = sum(map(len, lines.values()))
    for members in by_contest(cases):
        answers = tuple(line for result in members for line in lines[result.case])
        if answers:
            title = f"{contest_title(members[0].case)}: {count(len(answers), 'comparison')}"
            yield AnswerGroup(title, answers, every <= READ_THROUGH)


def _title(env: Environment, index: int, machine: str) -> str:
    engine = f", {clean(env.host.engine, 40)}" if env.host else ""
    return f"Environment {index + 1}: run {clean(env.run.name, 80)} on {machine}{engine}"
