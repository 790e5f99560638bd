"""The whole report: frozen text, tables and drawings that the templates lay out."""

from collections.abc import Sequence
from functools import partial

from aggregator.base.case_names import labels
from aggregator.base.quantities import count
from aggregator.base.text import clean, day
from aggregator.judge import aa
from aggregator.judge.analysis import Environment
from aggregator.judge.cases import contests
from aggregator.judge.sections import CLUSTER
from aggregator.read.run_folder import LoadedRun
from aggregator.report import hosts, missing, self_check
from aggregator.report.figures.style import Palette
from aggregator.report.first_screen import title, versions, work
from aggregator.report.method_text import LIMITS, METHOD, OLD_PEAKS, budget_time, stopping
from aggregator.report.model import Report
from aggregator.report.page import size_limits
from aggregator.report.page.data import page_data
from aggregator.report.page.packing import pack
from aggregator.report.page.samples import packed_samples
from aggregator.report.part import Shared, build_part
from aggregator.report.scores import headline
from aggregator.report.side_by_side import side_by_side
from runners.harness.record import Status

NODES = "nodes of a cluster: "
"""Stands before a type of node. Without these words, readers would take it for a single machine."""


def palette_of(environments: Sequence[Environment]) -> Palette:
    """The look and the name of every competitor of a report."""
    results = [result for env in environments for result in env.cases]
    sides = ((one.case.workload, [(side.competitor.framework, side.name) for side in one.sides]) for one in results)
    return Palette(sides, _titles(environments))


def _titles(environments: Sequence[Environment]) -> dict[str, str]:
    """The names of frameworks as people write them."""
    return {name: text for env in environments if env.run.plan for name, text in env.run.plan.titles.items()}


def build_report(runs: Sequence[LoadedRun], environments: Sequence[Environment], target: float | None = None) -> Report:
    """The whole report. Nothing in it depends on the clock or on the order of files.

    `target` is the test accuracy of the time to accuracy; without it, each case has the highest that all reached.
    """
    results = [result for env in environments for result in env.cases]
    names = labels([result.case for result in results])
    palette, titles = palette_of(environments), _titles(environments)
    # Side by side, as their files were read, they lie together in memory; in run order this takes twice as long.
    records = [record for result in results for side in result.sides for record in side.records]
    machines, software = hosts.machines(records), hosts.software(records)
    failures, quarantined = missing.failures(environments, names), missing.quarantined(runs)
    listed, listed_files, unlisted = size_limits.listed(failures, quarantined)
    incomplete = tuple(missing.incomplete(runs, environments))
    with_itself = aa.summarise(environments)
    shown = size_limits.told([env.cases for env in environments])
    share = size_limits.SAMPLES / max(1, sum(len(cases) for cases, _ in shown))
    shared = Shared(names, palette, share, target, hosts.names(environments))
    parts = [build_part(env, index, *shown[index], shared) for index, env in enumerate(environments)]
    beside = side_by_side(environments, names, parts, palette)
    competed = contests(results) or [result for result in results if not result.is_roof]
    return Report(
        title=title(competed, titles),
        where=" · ".join(filter(None, (work(competed), *_where(environments, runs)))),
        versions=versions([record for result in competed for side in result.sides for record in side.records], titles),
        marks=palette.marks,
        headline=(
            *(self_check.sentences(with_itself) if with_itself else ()),
            *([beside.answer] if beside else ()),
            *(
                f"Environment {index + 1}: {line}" if len(environments) > 1 else line
                for index, env in enumerate(environments)
                for line in headline(env.cases)
            ),
        ),
        self_check=self_check.table(with_itself) if with_itself else None,
        facts=tuple(fact for run in runs for fact in _facts(run)),
        incomplete=incomplete,
        side_by_side=beside,
        parts=tuple(parts),
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
        samples=partial(packed_samples, [cases for cases, _ in shown]),
        clean=not (failures or quarantined or incomplete),
    )


def _where(environments: Sequence[Environment], runs: Sequence[LoadedRun]) -> list[str]:
    """`Intel Xeon, 2 CPUs, 24 GiB` and `29 November 2026`; each machine or type of node, and each day, once."""
    machines = dict.fromkeys(
        f"{NODES if env.host.engine in CLUSTER else ''}{hosts.in_short(env.host)}" for env in environments if env.host
    )
    days = dict.fromkeys(day(run.plan.started_at) for run in runs if run.plan)
    return [*machines, *days]


def _facts(run: LoadedRun) -> list[tuple[str, str]]:
    ok = sum(record.status is Status.OK for record in run.records)
    facts = [("run", clean(run.name, 80))]
    if run.plan:
        facts += [("profile", clean(run.plan.profile, 80)), ("engine", clean(run.plan.engine, 40))]
        if run.plan.budget_seconds:
            whole = "" if run.plan.budget_cuts_planned else ", planned blocks uncut"
            facts += [("time budget", budget_time(run.plan.budget_seconds) + whole)]
        facts += [("started", clean(run.plan.started_at, 40)), ("order seed", str(run.plan.order_seed))]
    twice = f"; {count(run.duplicates, 'duplicate file')} ignored" if run.duplicates else ""
    return [*facts, ("replicates", f"{ok} ok of {len(run.records)} recorded{twice}")]
