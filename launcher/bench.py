"""`bench`: prepare, measure, report; or go on where an earlier launcher stopped."""

import dataclasses
import secrets
import shlex
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher import data, lock, machine, runfolder
from launcher.cases import without
from launcher.children import run_child
from launcher.engines import Engine, Limits
from launcher.engines.select import select
from launcher.errors import BuildFailed, ExitCode, Interrupted, NotReady, UsageError
from launcher.estimate import earlier
from launcher.measure import Measurement
from launcher.options import DEFAULTS, SETTINGS, Options
from launcher.plan import Draft, batch_sizes, describe, draft, estimate, planned_cases
from launcher.progress import Display
from launcher.provenance import printable
from launcher.runfolder import RunFolder, Setup
from launcher.stop import Stop
from runners.harness.case import Case
from runners.harness.clock import wall_time
from runners.harness.run import RUN_VERSION, Run, RunState

REPORT_SECONDS = 600.0


@dataclass(frozen=True)
class Prepared:
    """A run that can be measured."""

    folder: RunFolder
    run: Run
    setup: Setup
    datasets: dict[str, data.Dataset]


def show_plan(root: Path, options: Options) -> int:
    """Print what `bench` would do."""
    drafted = draft(root, options)
    expected = [data.expected(source) for source in drafted.sources]
    assigned = data.assign(drafted.data_workloads, expected)
    cases = planned_cases(drafted, options, assigned)
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    print(f"profile {options.profile}: {drafted.profile.description}\n")
    print("\n".join(describe(cases, seed, earlier(options.out))))
    for source in drafted.sources:
        if not source.ready:
            print(f"data to prepare first: {printable(str(source.manifest.parent))}")
    return ExitCode.OK


def bench(root: Path, options: Options, stop: Stop) -> int:
    """Carry a run out and report it. Returns the exit code."""
    resumed = options.run and (options.out / options.run).exists()
    folder = runfolder.existing(options.out, options.run) if resumed else None
    drafted = None if folder else draft(root, options)
    if drafted:
        planned_cases(
            drafted, options, data.assign(drafted.data_workloads, [data.expected(one) for one in drafted.sources])
        )
    machine.require_folder(options.out)
    if folder:
        machine.require_folder(folder.path)
        with lock.hold(folder.path):
            return _carry_out(root, options, stop, _resume(folder, options))
    assert drafted
    return _fresh(root, options, stop, drafted)


def _fresh(root: Path, options: Options, stop: Stop, drafted: Draft) -> int:
    limits = Limits(machine.cpu_set(options.cpus), options.memory_bytes or machine.default_memory())
    engine, reason = _engine(root, options.engine, options.device, options, limits, stop)
    assigned = data.assign(drafted.data_workloads, [data.prepare(root, source, stop) for source in drafted.sources])
    for name, why in assigned.reasons.items():
        _say(f"left out: {name}: {why}")
    cases = planned_cases(drafted, options, assigned)
    data.require_images(assigned.references(), batch_sizes(cases))
    warnings = _warnings([case.planned.case for case in cases], limits, options, engine)
    replicates = sum(len(case.planned.competitors) * case.planned.blocks for case in cases)
    names = list(dict.fromkeys(one.framework for case in cases for one in case.planned.competitors))
    warnings += machine.require_disk(options.out, replicates, len(names))
    unbuilt = build(engine, names)
    cases = [without(case, unbuilt) for case in cases]
    folder = runfolder.create(options.out, options.profile, options.run)
    run = Run(
        run_version=RUN_VERSION,
        run_id=folder.path.name,
        profile=options.profile,
        engine=engine.name,
        engine_reason=reason,
        order_seed=secrets.randbelow(2**31) if options.seed is None else options.seed,
        started_at=wall_time(),
        state=RunState.RUNNING,
        command=["python", "-m", "launcher", *(printable(word) for word in sys.argv[1:])],
        settings=options.given,
        cases=[case.planned for case in cases],
        warnings=warnings,
    )
    with lock.hold(folder.path):
        manifests = {name: dataset.path for name, dataset in assigned.datasets.items()}
        setup = runfolder.write_setup(folder, cases, limits.cpus, limits.memory_bytes, manifests)
        folder.write(run)
        for warning in warnings:
            _say(f"warning: {warning}")
        _say(f"run {run.run_id}: {len(cases)} cases, {replicates} replicates, {estimate(cases, earlier(options.out))}")
        code = measure(root, options, stop, engine, Prepared(folder, run, setup, assigned.datasets))
    return ExitCode.CASES_FAILED if unbuilt and code == ExitCode.OK else code


def _resume(folder: RunFolder, options: Options) -> Prepared:
    run, setup = runfolder.load(folder)
    for name in SETTINGS:
        asked, before = options.given.get(name), run.settings.get(name)
        # The Makefile always passes its defaults, so these say nothing about what was meant.
        if asked in (None, before, DEFAULTS.get(name)) or (name == "engine" and asked == run.engine):
            continue
        was = "not given" if before is None else repr(before)
        raise UsageError(
            f"run {run.run_id} was made with {name} {was}, now asked {asked!r}; leave it out, or start a new run"
        )
    workloads = {case.case.workload for case in run.cases if case.competitors and case.case.dataset}
    datasets = {}
    for workload in workloads:
        manifest = setup.manifest(workload)
        if manifest is None:
            raise UsageError(f"{folder.path}: cannot be resumed (no manifest for {workload}); start a new run")
        datasets[workload] = data.read(manifest)
    return Prepared(folder, dataclasses.replace(run, state=RunState.RUNNING), setup, datasets)


def _carry_out(root: Path, options: Options, stop: Stop, prepared: Prepared) -> int:
    """Resume: the engine that the run began with, the CPUs and the memory limit as they were."""
    limits = Limits(machine.cpu_set(",".join(map(str, prepared.setup.cpus))), prepared.setup.memory_bytes)
    device = prepared.run.settings.get("device", "cpu")
    engine, _ = _engine(root, prepared.run.engine, device, options, limits, stop)
    names = list(dict.fromkeys(one.framework for case in prepared.run.cases for one in case.competitors))
    unbuilt = build(engine, names)
    if unbuilt:
        raise NotReady("cannot resume: " + "; ".join(unbuilt.values()))
    prepared.folder.write(prepared.run)
    code = measure(root, options, stop, engine, prepared)
    built = all(one.kind != "BUILD" for case in prepared.run.cases for one in case.unavailable)
    return code if built or code != ExitCode.OK else ExitCode.CASES_FAILED


def _engine(root: Path, name: str, device: str, options: Options, limits: Limits, stop: Stop) -> tuple[Engine, str]:
    if device == "gpu":
        machine.require_gpu()
    engine, reason = select(root, name, limits, device, stop, build_facts(root, options))
    _say(f"engine {engine.name} ({reason})")
    removed = engine.reclaim()
    if removed:
        _say(f"removed {removed} left over from a launcher that died")
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


def build(engine: Engine, frameworks: Sequence[str]) -> dict[str, str]:
    """Prepare the frameworks; returns the reason for each that cannot be, which stops none of the others."""
    unbuilt = {}
    for framework in frameworks:
        try:
            engine.prepare(framework)
        except BuildFailed as error:
            unbuilt[framework] = f"{error}" + (f"\n{error.tail}" if error.tail else "")
            _say(f"{framework} cannot be prepared: {error}")
            if error.tail:
                _say(error.tail)
    return unbuilt


def _warnings(cases: Sequence[Case], limits: Limits, options: Options, engine: Engine) -> list[str]:
    warnings = machine.worker_warnings((case.workers for case in cases), len(limits.cpus))
    if warnings and options.strict:
        raise UsageError(f"--strict: {warnings[0]}")
    shared = max((machine.shared_bytes(case.workers or 0, case.batch_size) for case in cases), default=0)
    shortfall = machine.shm_shortfall(shared) if engine.shares_host_memory else ""
    return [*warnings, shortfall] if shortfall else warnings


def measure(root: Path, options: Options, stop: Stop, engine: Engine, prepared: Prepared) -> int:
    """Carry the run out as far as it goes, then report what there is."""
    head, dirty = machine.commit(root)
    measurement = Measurement(
        prepared.folder,
        prepared.run,
        prepared.setup,
        engine,
        prepared.datasets,
        {"commit": head, "dirty": dirty},
        earlier(options.out),
        stop,
    )
    replicates = runfolder.replicates(prepared.run.cases, prepared.run.order_seed)
    fault: NotReady | None = None
    run = prepared.run
    try:
        run = measurement.carry_out(Display(len(replicates)))
    except NotReady as error:
        fault = error
    reported = stop.urgent or report(root, prepared.folder.path)
    if fault:
        raise fault
    if stop.requested:
        raise Interrupted(f"interrupted; what is measured is kept, and RUN={run.run_id} goes on from there")
    return ExitCode.CASES_FAILED if measurement.failed or not reported else ExitCode.OK


def report(root: Path, folder: Path) -> bool:
    """Have the aggregator report the run; its last words close ours. A second Ctrl-C ends it at once."""
    stop, before = Stop(), _made_at(folder)
    with stop.on_signals():
        sys.stdout.flush()
        ended = run_child([sys.executable, "-m", "aggregator", "report", str(folder)], root, 1, stop, REPORT_SECONDS)
    # A report of which some cases failed has said so itself, with exit code 1; so ends a crash, which leaves none.
    if _made_at(folder) == before:
        _say(f"no complete report (exit code {ended.code}); python -m aggregator report {shlex.quote(str(folder))}")
    return ended.code == ExitCode.OK


def _made_at(folder: Path) -> int | None:
    page = folder / "report.html"
    return page.stat().st_mtime_ns if page.is_file() else None


def _say(text: str) -> None:
    print(text, file=sys.stderr)
