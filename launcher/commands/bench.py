"""`bench`: prepares a run, measures it and has it reported; or resumes an earlier run."""

import os
import secrets
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from launcher import machine, options
from launcher.build.cuda import require_driver
from launcher.build.sources import commit
from launcher.commands.place import Place
from launcher.datasets.assignment import assign, require_images
from launcher.datasets.preparation import prepare
from launcher.engines.engine import Engine, Limits
from launcher.engines.leftovers import remove_leftovers
from launcher.engines.selection import prepare as prepare_programs
from launcher.engines.venv import LIBRARIES
from launcher.errors import ExitCode, Interrupted, UsageError
from launcher.hosts.folder import is_group
from launcher.hosts.run import on_hosts
from launcher.options import Options
from launcher.ownership import lock
from launcher.plan.cases import with_data, without
from launcher.plan.description import describe_stopping, estimate, extent, shortfall
from launcher.plan.draft import Draft, draft
from launcher.plan.estimate import earlier, expected_seconds, replicates
from launcher.run import folder as folders
from launcher.run.loop import Measurement
from launcher.run.resuming import resume
from launcher.run.session import Measure, Session, carry_out
from launcher.slurm.measurement import on_nodes
from launcher.stop import Stop
from launcher.text import say
from runners.harness.case import PREFETCH, Case
from runners.harness.clock import wall_time
from runners.harness.run import RUN_VERSION, Run, RunState

HELP = "measure, then report; with --run ID go on where that run stopped"


def add(parser: ArgumentParser) -> None:
    """Its options."""
    options.add(parser, *options.MEASURED, *options.HOSTS, "run")


def run(root: Path, given: Namespace, stop: Stop) -> int:
    """Carry a run out and report it. Returns the exit code."""
    asked = options.measured(given)
    with stop.on_signals():
        if given.hosts or is_group(asked.out / given.run):
            return on_hosts(root, given, asked, stop)
        if given.parallel_hosts == "on":
            raise UsageError("--parallel-hosts: only with --hosts, or with the --run of several hosts")
        if given.run and is_group(asked.out):
            raise UsageError(f"{given.run} is the run of another machine; --run {asked.out.name} goes on there")
        if given.run:
            folder = folders.existing(asked.out, given.run)
            machine.require_folder(folder.path)
            with lock.hold(folder.path):
                return _resumed(root, asked, stop, resume(folder, asked))
        drafted = draft(root, asked)
        with_data(drafted.cases, drafted.expected)
        lock.require_locks(asked.out)
        machine.require_folder(asked.out)
        if stop.requested:
            raise Interrupted("interrupted before anything started")
        return _fresh(root, asked, stop, drafted)


def _fresh(root: Path, asked: Options, stop: Stop, drafted: Draft) -> int:
    place = Place.asked(asked)
    limits = place.limits(drafted.cases)
    engine, reason = _engine(root, place, limits, asked, stop)
    assigned = assign(drafted.reading, [(source, prepare(root, source, stop)) for source in drafted.sources])
    if drafted.elsewhere:
        say(drafted.elsewhere)
    for name, why in assigned.reasons.items():
        say(f"left out: {name}: {why}")
    cases = with_data(drafted.cases, assigned)
    require_images(assigned, [one.case for one in cases])
    warnings = _warnings([one.case for one in cases if one.competitors], limits, asked, engine)
    pilots, rule, durations = drafted.profile.pilots, drafted.stopping, earlier(asked.out)
    if drafted.budget_cuts_planned:
        warnings += shortfall(expected_seconds(cases, durations, pilots), drafted.budget_seconds)
    programs = list(dict.fromkeys(one.program for case in cases for one in case.competitors))
    most = replicates(cases, pilots, rule.most_blocks if rule else 0)
    warnings += machine.require_disk(asked.out, most, sum(not engine.is_ready(one) for one in programs))
    require_driver(root, programs, limits.gpu, asked.extra_index)
    builds, unbuilt = prepare_programs(engine, programs, limits, stop)
    cases = [without(case, unbuilt) for case in cases]
    folder = folders.create(asked.out, asked.profile)
    head, dirty = commit(root)
    run = Run(
        run_version=RUN_VERSION,
        run_id=folder.path.name,
        profile=asked.profile,
        engine=engine.name,
        engine_reason=reason,
        order_seed=secrets.randbelow(2**31) if asked.seed is None else asked.seed,
        started_at=wall_time(),
        state=RunState.RUNNING,
        command=["python", "-m", "launcher", "bench", *options.words(asked.given)],
        settings=asked.given,
        cases=cases,
        warnings=warnings,
        stopping=rule,
        budget_seconds=drafted.budget_seconds,
        cpus=list(limits.cpus),
        memory_bytes=limits.memory_bytes,
        shm_bytes=limits.shm_bytes,
        gpu=limits.gpu.uuid if limits.gpu else "",
        manifests={name: folders.path_to_text(one.path) for name, one in assigned.datasets.items()},
        model=folders.path_to_text(Path(str(drafted.model))) if drafted.model else "",
        builds=builds,
        commit=head,
        dirty=dirty,
        pilots=pilots,
        slowdown=asked.slowdown,
        titles=drafted.titles,
        at_once=asked.nodes,
    )
    with lock.hold(folder.path):
        folder.write(run)
        for warning in warnings:
            say(f"warning: {warning}")
        say(f"run {run.run_id}: {extent(cases)}, {estimate(cases, durations, pilots)}")
        say(describe_stopping(rule, run.budget_seconds, run.budget_cuts_planned, cases, durations, pilots))
        code = carry_out(root, asked.out, stop, engine, Session(folder, run, assigned.datasets), _measure(root, place))
    return ExitCode.CASES_FAILED if unbuilt and code == ExitCode.OK else code


def _resumed(root: Path, asked: Options, stop: Stop, session: Session) -> int:
    """Resume with the engine, the builds, the CPUs, the GPU and the limits that the run began with."""
    place = Place.earlier(session.run)
    engine, _ = _engine(root, place, place.limits(session.run.cases), asked, stop)
    for name in dict.fromkeys(one.program for case in session.run.cases for one in case.competitors):
        if name not in session.run.builds:
            raise UsageError(f"{session.folder.path}: cannot be resumed (nothing says what {name} ran from)")
        engine.restore(name, session.run.builds[name])
    session.folder.write(session.run)
    code = carry_out(root, asked.out, stop, engine, session, _measure(root, place))
    built = all(one.kind != "BUILD" for case in session.run.cases for one in case.unavailable)
    return code if built or code != ExitCode.OK else ExitCode.CASES_FAILED


def _measure(root: Path, place: Place) -> Measure:
    """How the run is measured: here, or on the nodes of a cluster."""
    return on_nodes(root) if place.on_nodes else Measurement


def _engine(root: Path, place: Place, limits: Limits, asked: Options, stop: Stop) -> tuple[Engine, str]:
    engine, reason = place.select(root, limits, asked, stop)
    say(f"engine {engine.name} ({reason})")
    removed = remove_leftovers()
    if removed:
        say(f"removed {removed} leftovers of dead launchers")
    return engine, reason


def _warnings(cases: Sequence[Case], limits: Limits, asked: Options, engine: Engine) -> list[str]:
    warnings = []
    if asked.memory and engine.shares_host_memory:
        warnings.append(f"--memory is not enforced with ENGINE={engine.name}: nothing limits a replicate there")
    if asked.shm and engine.shares_host_memory:
        warnings.append(f"--shm has no effect with ENGINE={engine.name}: replicates use the machine's own /dev/shm")
    if not limits.cpus:  # nothing else is known of the nodes
        return warnings
    crowded = machine.worker_warnings((case.workers for case in cases), len(limits.cpus))
    if crowded and asked.strict:
        raise UsageError(f"--strict: {crowded[0]}")
    warnings += crowded
    if engine.shares_host_memory and os.environ.get(LIBRARIES):
        warnings.append(f"{LIBRARIES} of this shell reaches every replicate, and may change what it measures")
    shared = max(
        (machine.shared_bytes(case.workers or 0, case.prefetch or PREFETCH, case.batch_size) for case in cases),
        default=0,
    )
    too_little = machine.shm_shortfall(shared) if engine.shares_host_memory else _shm_too_small(shared, limits)
    return [*warnings, too_little] if too_little else warnings


def _shm_too_small(needed: int, limits: Limits) -> str:
    if needed <= limits.shm_bytes:
        return ""
    has, more = limits.shm_bytes / 2**30, -(-needed // 2**30)
    return f"/dev/shm of a container has {has:.1f} GiB, some cases need {needed / 2**30:.1f}; give SHM={more} (--shm)"
