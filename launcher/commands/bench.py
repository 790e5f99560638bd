"""`bench`: prepare, measure, report; or go on where an earlier launcher stopped."""

import dataclasses
import secrets
import tomllib
from collections.abc import Sequence
from pathlib import Path

from launcher import machine
from launcher.datasets import preparation as data
from launcher.ownership import lock
from launcher.plan.cases import without
from launcher.run.session import Prepared, measure
from launcher.build.programs import Build
from launcher.engines.engine import Engine, Limits
from launcher.engines.selection import select
from launcher.errors import BuildFailed, ExitCode, Interrupted, UsageError
from launcher.plan.estimate import earlier, spent
from launcher.options import SETTINGS, Options, words
from launcher.plan.description import describe, describe_stopping, estimate, expected_seconds, extent, replicates, shortfall
from launcher.plan.draft import Draft, batch_sizes, budget_seconds, draft, planned_cases, stopping
from launcher.run.progress import say
from launcher.text import printable
from launcher.engines.leftovers import reclaim
from launcher.run import folder as folders
from launcher.run.folder import RunFolder
from launcher.stop import Stop
from runners.harness.case import Case
from runners.harness.clock import wall_time
from runners.harness.run import RUN_VERSION, Run, RunState, cuts_planned


def show_plan(root: Path, options: Options) -> int:
    """Print what `bench` would do."""
    drafted = draft(root, options)
    cases = planned_cases(drafted, options, _expected(drafted))
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    print(f"profile {options.profile}: {drafted.profile.description}\n")
    pilots, durations = drafted.profile.pilots, earlier(options.out)
    print("\n".join(describe(cases, seed, durations, pilots)))
    rule, budget = stopping(drafted, options), budget_seconds(drafted, options)
    strict = cuts_planned(rule, options.given)
    print(describe_stopping(rule, budget, strict))
    for text in shortfall(expected_seconds(cases, durations, pilots), budget if strict else None):
        print(f"warning: {text}")
    for source in drafted.sources:
        if not source.ready:
            print(f"data to prepare first: {printable(str(source.manifest.parent))}")
    return ExitCode.OK


def bench(root: Path, options: Options, stop: Stop) -> int:
    """Carry a run out and report it. Returns the exit code."""
    if options.run:
        folder = folders.existing(options.out, options.run)
        machine.require_folder(folder.path)
        with lock.hold(folder.path):
            return _carry_out(root, options, stop, _resume(folder, options))
    drafted = draft(root, options)
    planned_cases(drafted, options, _expected(drafted))
    machine.require_folder(options.out)
    if stop.requested:
        raise Interrupted("interrupted before anything started")
    return _fresh(root, options, stop, drafted)


def _expected(drafted: Draft) -> data.Assigned:
    return data.assign(drafted.data_workloads, [(source, data.expected(source)) for source in drafted.sources])


def _fresh(root: Path, options: Options, stop: Stop, drafted: Draft) -> int:
    limits = Limits(machine.cpu_set(options.cpus), options.memory_bytes or machine.default_memory())
    engine, reason = _engine(root, options.engine, options.device, options, limits, stop)
    prepared = [(source, data.prepare(root, source, stop)) for source in drafted.sources]
    assigned = data.assign(drafted.data_workloads, prepared)
    for name, why in assigned.reasons.items():
        say(f"left out: {name}: {why}")
    cases = planned_cases(drafted, options, assigned)
    data.require_images(assigned, batch_sizes(cases))
    warnings = _warnings([case.planned.case for case in cases if case.planned.competitors], limits, options, engine)
    rule, budget, pilots = stopping(drafted, options), budget_seconds(drafted, options), drafted.profile.pilots
    if cuts_planned(rule, options.given):
        warnings += shortfall(expected_seconds(cases, earlier(options.out), pilots), budget)
    most = replicates(cases, pilots, rule.most_blocks if rule else 0)
    names = list(dict.fromkeys(one.program for case in cases for one in case.planned.competitors))
    warnings += machine.require_disk(options.out, most, sum(not engine.is_ready(name) for name in names))
    builds, unbuilt = build(engine, names)
    cases = [without(case, unbuilt) for case in cases]
    folder = folders.create(options.out, options.profile)
    run = Run(
        run_version=RUN_VERSION,
        run_id=folder.path.name,
        profile=options.profile,
        engine=engine.name,
        engine_reason=reason,
        order_seed=secrets.randbelow(2**31) if options.seed is None else options.seed,
        started_at=wall_time(),
        state=RunState.RUNNING,
        command=["python", "-m", "launcher", "bench", *words(options.given)],
        settings=options.given,
        cases=[case.planned for case in cases],
        warnings=warnings,
        stopping=rule,
        budget_seconds=budget,
    )
    with lock.hold(folder.path):
        manifests = {name: dataset.path for name, dataset in assigned.datasets.items()}
        setup = folders.write_setup(
            folder, cases, limits, manifests, builds, machine.commit(root), pilots, options.slowdown
        )
        folder.write(run)
        for warning in warnings:
            say(f"warning: {warning}")
        expected = estimate(cases, earlier(options.out), pilots)
        say(f"run {run.run_id}: {extent(cases)}, {expected}")
        say(describe_stopping(run.stopping, run.budget_seconds, run.budget_cuts_planned))
        code = measure(root, options, stop, engine, Prepared(folder, run, setup, assigned.datasets))
    return ExitCode.CASES_FAILED if unbuilt and code == ExitCode.OK else code


def _resume(folder: RunFolder, options: Options) -> Prepared:
    run, setup = folders.load(folder)
    for name in (name for name in SETTINGS if name != "budget"):
        asked, before = options.given.get(name), run.settings.get(name)
        if asked in (None, before) or (name == "engine" and asked == run.engine):
            continue
        was = "not given" if before is None else repr(before)
        raise UsageError(
            f"run {run.run_id} was made with {name} {was}, now asked {asked!r}; leave it out, or start a new run"
        )
    if options.budget is not None and run.state is RunState.COMPLETE:
        run = _continued(run, folder, options.budget)
    elif options.budget is not None and (options.budget != run.budget_seconds or not run.budget_cuts_planned):
        settings = run.settings | {"budget": options.given["budget"]}
        run = dataclasses.replace(run, budget_seconds=options.budget, settings=settings)
    datasets: dict[str, data.Dataset] = {}
    for case in (one.case for one in run.cases if one.competitors and one.case.dataset):
        manifest = setup.manifest(case.workload)
        if manifest is None:
            raise UsageError(f"{folder.path}: cannot be resumed (no manifest for {case.workload}); start a new run")
        if case.workload not in datasets:
            datasets[case.workload] = data.read(manifest)
        if not data.is_still(datasets[case.workload], case):
            raise UsageError(f"{manifest}: the data changed since run {run.run_id} began; start a new run")
    return Prepared(folder, dataclasses.replace(run, state=RunState.RUNNING), setup, datasets)


def _continued(run: Run, folder: RunFolder, seconds: float) -> Run:
    """The ended run with so much more time for the comparisons that are still open."""
    if run.stopping is None:
        raise UsageError(
            f"run {run.run_id} is complete, and its number of blocks was fixed: to add some after looking at the "
            "result would make its test wrong; start a new run"
        )
    total = spent(folder.path) + seconds
    return dataclasses.replace(run, budget_seconds=total, continued=[*run.continued, len(run.extensions)])


def _carry_out(root: Path, options: Options, stop: Stop, prepared: Prepared) -> int:
    """Resume: with the engine, the images or sources, the CPUs and the memory limit that the run began with."""
    limits = Limits(machine.cpu_set(",".join(map(str, prepared.setup.cpus))), prepared.setup.memory_bytes)
    device = prepared.run.settings.get("device", "cpu")
    engine, _ = _engine(root, prepared.run.engine, device, options, limits, stop)
    for name in dict.fromkeys(one.program for case in prepared.run.cases for one in case.competitors):
        if name not in prepared.setup.builds:
            raise UsageError(f"{prepared.folder.path}: cannot be resumed (nothing says what {name} ran from)")
        engine.restore(name, prepared.setup.builds[name])
    prepared.folder.write(prepared.run)
    code = measure(root, options, stop, engine, prepared)
    built = all(one.kind != "BUILD" for case in prepared.run.cases for one in case.unavailable)
    return code if built or code != ExitCode.OK else ExitCode.CASES_FAILED


def _engine(root: Path, name: str, device: str, options: Options, limits: Limits, stop: Stop) -> tuple[Engine, str]:
    if device == "gpu":
        machine.require_gpu()
    engine, reason = select(root, name, limits, device, stop, build_facts(root, options))
    say(f"engine {engine.name} ({reason})")
    removed = reclaim()
    if removed:
        say(f"removed {removed} left over from a launcher that died")
    return engine, reason


def build_facts(root: Path, options: Options) -> dict[str, str]:
    """What goes into images as build arguments."""
    head, _ = machine.commit(root)
    return {
        "base": options.base_image,
        "extra_index": options.extra_index,
        "version": version(root),
        "commit": head or "",
    }


def version(root: Path) -> str:
    """The project's version."""
    try:
        return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return ""


def build(engine: Engine, programs: Sequence[str]) -> tuple[dict[str, Build], dict[str, str]]:
    """Prepare the programs: (what they run from, the reason for each that cannot be, which stops no other)."""
    builds, unbuilt = {}, {}
    for program in programs:
        try:
            builds[program] = engine.prepare(program)
        except BuildFailed as error:
            unbuilt[program] = f"{error}" + (f"\n{error.tail}" if error.tail else "")
            say(f"{program} cannot be prepared: {error}")
            if error.tail:
                say(error.tail)
    return builds, unbuilt


def _warnings(cases: Sequence[Case], limits: Limits, options: Options, engine: Engine) -> list[str]:
    warnings = machine.worker_warnings((case.workers for case in cases), len(limits.cpus))
    if warnings and options.strict:
        raise UsageError(f"--strict: {warnings[0]}")
    if options.memory_bytes and engine.shares_host_memory:
        warnings.append(f"--memory is not enforced with ENGINE={engine.name}: nothing limits a replicate there")
    shared = max((machine.shared_bytes(case.workers or 0, case.batch_size) for case in cases), default=0)
    too_little = machine.shm_shortfall(shared) if engine.shares_host_memory else ""
    return [*warnings, too_little] if too_little else warnings
