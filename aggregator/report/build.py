"""From analysed environments to the frozen report that the templates lay out."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate

from aggregator.judge import aa
from aggregator.report import self_check
from aggregator.judge.analysis import CaseResult, Environment, planned_blocks
from aggregator.judge.cases import by_contest
from aggregator.judge.roofline import ROOF, roof_of
from aggregator.judge.sides import Side
from aggregator.report.case_details import detail, listed_by_competitor, settings_in_common
from aggregator.report.figures.raw_samples import samples_figure
from aggregator.report.figures.style import Palette
from aggregator.base.processes import in_parallel
from aggregator.report.model import Answer, AnswerGroup, Failed, Figure, Part, Report, Table
from aggregator.report.page import size_limits
from aggregator.report.page.data import page_data
from aggregator.report.page.packing import pack
from aggregator.report.page.samples import packed_samples
from aggregator.read.run_folder import LoadedRun
from aggregator.report.side_by_side import agreement, side_by_side
from aggregator.report import hosts
from aggregator.report.footnotes import Footnotes
from aggregator.report.scores import result_tables, score_table
from aggregator.report.answers import ALONE, answer, scale, score
from aggregator.report.loaders.sentences import load_remarks
from aggregator.report.method_text import LIMITS, METHOD, OLD_PEAKS, budget_time, stopping
from aggregator.base.quantities import count
from aggregator.report.machine_advice import needed
from aggregator.report.undecided import answered, going_on
from aggregator.base.case_names import anchor, digest, heading, labels, settings
from aggregator.base.text import clean, clean_lines
from method.verdict import Verdict
from runners.harness.case import Case
from runners.harness.record import Record, Status

READ_THROUGH = 60
"""Of more comparisons the lists are folded, below the numbers of cases that each side won."""
MUCH = 2000
"""Of more records the parts of a report are made by several processes: starting them takes less."""


def build_report(runs: Sequence[LoadedRun], environments: Sequence[Environment], target: float | None = None) -> Report:
    """The whole report. Nothing in it depends on the clock or on the order of files.

    `target` is the test accuracy that trainings are timed to; without one each case has the highest that all reached.
    """
    results = [result for env in environments for result in env.cases]
    names = labels([result.case for result in results])
    palette = Palette(
        (result.case.workload, [(side.competitor.framework, side.label) for side in result.sides]) for result in results
    )
    # Side by side, as their files were read, they lie together in memory; in run order this takes twice as long.
    records = [record for result in results for side in result.sides for record in side.records]
    machines, software = hosts.machines(records), hosts.software(records)
    failures, quarantined = _failures(environments, names), _quarantined(runs)
    listed, listed_files, unlisted = size_limits.listed(failures, quarantined)
    incomplete = tuple(_incomplete(runs, environments))
    with_itself = aa.summarise(environments)
    earlier = list(accumulate((len(env.cases) for env in environments), initial=0))
    share = size_limits.SAMPLES / max(1, min(earlier[-1], size_limits.MOST_TOLD))
    parts = tuple(_part(env, index, earlier, share, names, palette, target) for index, env in enumerate(environments))
    return Report(
        title=f"Levelfield: {', '.join(clean(run.name, 80) for run in runs)}",
        headline=(
            *(self_check.sentences(with_itself) if with_itself else ()),
            *agreement(environments),
            *(
                f"Environment {index + 1}: {line}" if len(environments) > 1 else line
                for index, env in enumerate(environments)
                for line in _headline(env.cases)
            ),
        ),
        self_check=self_check.table(with_itself) if with_itself else None,
        facts=tuple(fact for run in runs for fact in _facts(run)),
        incomplete=incomplete,
        side_by_side=side_by_side(environments, names),
        parts=parts,
        machines=machines,
        software=software,
        differences=hosts.differences(machines, software),
        warnings=tuple(clean(text, 300) for run in runs if run.plan for text in run.plan.warnings),
        failures=tuple(listed),
        quarantined=tuple(listed_files),
        unlisted=unlisted,
        failed_count=len(failures),
        quarantined_count=len(quarantined),
        method=(*METHOD, *(stopping(clean(run.name, 80), run.plan) for run in runs)),
        limits=(*LIMITS, *([OLD_PEAKS] if any(record.schema_version < 3 for record in records) else [])),
        data=pack(page_data(environments, names)),
        samples=partial(packed_samples, [_told(env, part) for env, part in zip(environments, parts, strict=True)]),
        clean=not (failures or quarantined or incomplete),
    )


def _told(env: Environment, part: Part) -> list[CaseResult]:
    told = {case.digest for case in part.cases}
    return [result for result in env.cases if digest(result.case) in told]


def _part(
    env: Environment,
    index: int,
    earlier: Sequence[int],
    share: float,
    names: dict[Case, str],
    palette: Palette,
    target: float | None,
) -> Part:
    """One environment. `earlier` is how many cases come before each of them, `share` the bytes for a case's samples."""
    comparisons = [found for result in env.cases for found in result.comparisons]
    contests = [case for case in env.cases if case.case.workload != ROOF]
    # What the machine can do is no contest; it stands last.
    ordered = sorted(env.cases, key=lambda case: case.case.workload == ROOF)
    roof, of = roof_of(env.cases), len(earlier) - 1
    drawn, undrawn = size_limits.drawn(contests)
    told, untold = size_limits.told(env.cases, earlier[index])
    links = {result.case: anchor(result.case, index) for result in told}
    prefix = f"part-{index + 1}-" if of > 1 else ""

    def tables_made() -> tuple[Table, ...]:
        return result_tables(env.cases, names, roof, target)

    # The library that draws takes half a second to be imported, and longer to begin: where there is much, this process
    # does without it, and two others draw half of the figures each.
    def contests_drawn() -> list[Figure]:
        from aggregator.report.relative_time import contest_figures

        return contest_figures(drawn, palette, prefix)

    def others_drawn() -> tuple[list[Figure], list[Figure | None]]:
        from aggregator.report.resources.figures import reading_figures
        from aggregator.report.steps.figures import roofline_figures

        samples = [samples_figure(result, links[result.case], names[result.case], palette, share) for result in told]
        return [*reading_figures(drawn, palette, prefix), *roofline_figures(drawn, roof, palette, prefix)], samples

    much = len(env.records) > MUCH
    with (
        in_parallel(tables_made, much) as tables,
        in_parallel(contests_drawn, much) as contest_drawings,
        in_parallel(others_drawn, much) as other_drawings,
    ):
        axis, footnotes = scale(comparisons), Footnotes()
        common = settings_in_common(env.cases)
        lines = {
            result.case: tuple(
                answer(found, names[result.case], links.get(result.case, ""), axis, footnotes)
                for found in result.comparisons
            )
            for result in ordered
        }
        scores = score_table([case for case in contests if not case.is_self])
        advice = tuple(needed(contests))
        other_figures, samples = other_drawings()
        return Part(
            title=_part_title(env, index) if of > 1 else "",
            scores=scores,
            groups=tuple(_groups(ordered, lines)),
            notes=footnotes.texts,
            axis=axis.printed() if axis else None,
            going_on=going_on(env, contests),
            advice=advice,
            remarks=load_remarks([case for case in contests if case.case.workload == "load"]),
            figures=(*contest_drawings(), *other_figures),
            undrawn=undrawn,
            tables=tables(),
            in_common=listed_by_competitor(common),
            cases=tuple(
                detail(result, names[result.case], links[result.case], lines[result.case], drawing, roof, common)
                for result, drawing in zip(told, samples, strict=True)
            ),
            untold=untold,
        )


def _groups(cases: Sequence[CaseResult], lines: dict[Case, tuple[Answer, ...]]) -> Iterator[AnswerGroup]:
    every = sum(map(len, lines.values()))
    for members in by_contest(cases):
        answers = tuple(line for result in members for line in lines[result.case])
        if answers:
            title = f"{_contest(members)}: {count(len(answers), 'comparison')}"
            yield AnswerGroup(title, answers, every <= READ_THROUGH)


def _part_title(env: Environment, index: int) -> str:
    host = next((record.host for record in env.records if record.host), None)
    where = f" on {clean(host.cpu_model, 80)}, {clean(host.engine, 40)}" if host else ""
    return f"Environment {index + 1}: run {clean(env.run.name, 80)}{where}"


def _headline(cases: Sequence[CaseResult]) -> list[str]:
    """What was answered; then a sentence a workload: who won how many of how many."""
    contests = [case for case in cases if not case.is_self and case.case.workload != ROOF]
    found = [line for line in (answered(contests),) if line]
    for members in by_contest(contests):
        scores = [score(case) for case in members]
        wins: dict[str, int] = {}
        for _, winner in scores:
            if winner:
                wins[clean(winner.label, 60)] = wins.get(clean(winner.label, 60), 0) + 1
        said = [
            f"{label} wins {number}" for label, number in sorted(wins.items(), key=lambda item: (-item[1], item[0]))
        ]
        rest = [verdict for verdict, winner in scores if winner is None]
        said += [f"{rest.count(verdict)} {_said(verdict)}" for verdict in dict.fromkeys(rest)]
        found.append(f"{_contest(members)}, {count(len(members), 'case')}: {', '.join(said)}.")
    return found


def _contest(members: Sequence[CaseResult]) -> str:
    case = members[0].case
    return f"{heading(case.workload)}{settings(case)}"


def _said(verdict: str) -> str:
    told = {Verdict.FEW_BLOCKS: "without a verdict (too few blocks)", ALONE: f"with {ALONE}"}
    return told.get(verdict, verdict)


def _facts(run: LoadedRun) -> list[tuple[str, str]]:
    ok = sum(record.status is Status.OK for record in run.records)
    facts = [("run", clean(run.name, 80))]
    if run.plan:
        facts += [("profile", clean(run.plan.profile, 80)), ("engine", clean(run.plan.engine, 40))]
        if run.plan.budget_seconds:
            whole = "" if run.plan.budget_cuts_planned else ", planned blocks uncut"
            facts += [("time budget", budget_time(run.plan.budget_seconds) + whole)]
        facts += [("started", clean(run.plan.started_at, 40)), ("order seed", str(run.plan.order_seed))]
    return [*facts, ("replicates", f"{ok} ok of {len(run.records)} recorded")]


def _incomplete(runs: Sequence[LoadedRun], environments: Sequence[Environment]) -> list[str]:
    found = [f"Run {clean(run.name, 80)}: {problem}" for run in runs for problem in run.problems]
    for run in runs:
        if run.plan is None:
            continue
        blocks = [planned_blocks(run, run.plan, index) for index in range(len(run.plan.cases))]
        wanted = {
            (case.case, competitor): number
            for case, number in zip(run.plan.cases, blocks, strict=True)
            for competitor in case.competitors
            if competitor not in {one.competitor for one in case.unavailable}
        }
        planned = sum(wanted.values())
        there = sum(
            _settled(wanted.get((result.case, side.competitor), 0), result, side)
            for env in environments
            if env.run is run
            for result in env.cases
            for side in result.sides
        )
        if there < planned:
            found.append(f"Run {clean(run.name, 80)}: {planned - there} of {planned} planned replicates have no record")
    if not any(env.cases for env in environments):
        found.append("no case was measured")
    return found


def _settled(blocks: int, result: CaseResult, side: Side) -> int:
    """The replicates of a side that have a record, or that were left out for what an earlier one showed: that the side
    fails, or that the sides do not do the same work. Those are told where that is, and nothing is missing."""
    if (side.failures and not side.ok) or any(found.incomparable for found in result.comparisons):
        return blocks
    return sum(record.block.number < blocks for record in side.records)


def _failures(environments: Sequence[Environment], names: dict[Case, str]) -> list[Failed]:
    found = []
    for env in environments:
        for result in env.cases:
            for side in result.sides:
                where = names[result.case]
                if side.unavailable:
                    entry = side.unavailable
                    found.append(Failed(clean(side.label, 80), where, clean(entry.kind, 40), clean(entry.reason, 400)))
                found += [_failed(record, where) for record in side.failures]
    return found


def _failed(record: Record, where: str) -> Failed:
    error = record.error
    what = f"{clean(record.competitor.label, 80)}, block {record.block.number} ({clean(record.record_id, 80)})"
    if error is None:
        return Failed(what, where, record.status.value, "no reason was recorded")
    code = "" if error.exit_code is None else f" (exit code {error.exit_code})"
    return Failed(what, where, clean(error.kind, 40), clean(error.message, 600) + code, clean_lines(error.log_tail))


def _quarantined(runs: Sequence[LoadedRun]) -> list[Failed]:
    return [
        Failed(
            clean(item.file, 200),
            clean(run.name, 80),
            "quarantined",
            clean(item.reason, 400) + ("" if item.offset is None else f" (at byte {item.offset})"),
        )
        for run in runs
        for item in run.quarantined
    ]
