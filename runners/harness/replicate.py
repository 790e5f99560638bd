"""One replicate: prepare, check, measure. Any error becomes a record that describes it."""

import contextlib
import dataclasses
import hashlib
import importlib
import importlib.metadata
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypeVar

from runners.harness import health, memory, rank, resources, together
from runners.harness.case import Case, Competitor
from runners.harness.clock import now_ns
from runners.harness.effective import effective
from runners.harness.energy import Energy, Meter
from runners.harness.faults import fault, remember_dead_worker
from runners.harness.host import host
from runners.harness.lockstep import follow, leading
from runners.harness.loop import GROUP_STEPS, quiet_collector, sample_deliveries, sample_groups, sample_steps
from runners.harness.manifest import Manifest, splits_read, verify_bytes
from runners.harness.options import Options
from runners.harness.own_code import explained
from runners.harness.record import Check, Epoch, Record, Samples
from runners.harness.slowdown import slowed
from runners.harness.stages import time_further, time_stages
from runners.harness.workload import FitWork, Framework, Invalid, OnceWork, Request, StepWork, Unsupported

_T = TypeVar("_T")

CUDA_CACHE = "cuda"
"""The folder where CUDA's driver keeps what it compiles for a GPU that is newer than a framework's kernels."""
PACKED = "packed"
"""The folder, beside the caches of compiled code, where replicates share packed images."""
CHECK_STEPS = 4
"""Steps before a `--check` reads its evidence, which needs the losses after 1 and 3 optimiser steps."""


def attempt(framework: Framework, options: Options, record: Record, manifest: Manifest | None, scratch: Path) -> Record:
    """Measure, and complete `record` with the results or with the error."""
    killed_before = memory.killed_processes()
    try:
        return _replicate(framework, options, record, manifest, scratch)
    except Exception as error:  # the process's edge: an unexpected error becomes a record too
        together.claim()
        if options.model:
            error = explained(error, options.model, framework.name)
        status, failure = fault(framework.name, record.case.device, error, memory.killed_processes() > killed_before)
    facts, unknown = host(framework.distributions, record.case.device)
    return dataclasses.replace(record, status=status, error=failure, host=facts, unknown=unknown)


def _replicate(
    framework: Framework, options: Options, record: Record, manifest: Manifest | None, scratch: Path
) -> Record:
    case, own = record.case, rank.own()
    rank.settle()
    data_root = None
    if manifest and options.manifest:
        data_root = options.data or Path(manifest.root or options.manifest.parent)
        for split in splits_read(case.workload, manifest, case.split):
            verify_bytes(data_root, manifest.splits[split])
    _assert_version(framework, record.competitor)
    kept = options.compiler_cache or scratch / "compiled"
    compiled = _cache_of(kept, record)
    warm = _holds_code(compiled)
    if case.device == "gpu":  # the driver reads it once, when the process starts to use the GPU
        (compiled / CUDA_CACHE).mkdir(exist_ok=True)
        os.environ["CUDA_CACHE_PATH"] = str(compiled / CUDA_CACHE)
    began = now_ns()
    workload = _workload_module(framework, "own_model" if case.model else case.workload)
    import_ns = now_ns() - began
    # `load` measures a loader's workers, so the framework computes on one thread in each of them.
    threads = 1 if case.workload == "load" else options.threads // own.count
    request = Request(
        case, record.competitor, threads, scratch, compiled, manifest, data_root, own, options.model, kept / PACKED
    )
    began = now_ns()
    work = workload.prepare(request)
    setup_ns = now_ns() - began
    timed: _Timed
    try:
        if own.number and isinstance(work, StepWork):
            follow(work, request)
            return record
        if isinstance(work, StepWork):
            work = leading(work, own)
        if options.check_only:
            return _check_only(work, request, record)
        resources.reset_peak()
        if case.device == "gpu":
            _reset_gpu_peak(framework)
        with quiet_collector() as pauses:
            if isinstance(work, FitWork):
                timed = _time_fit(work, case, scratch)
            elif isinstance(work, OnceWork):
                timed = _time_once(work, case)
            else:
                timed = _time_steps(work, options, case.device)
        rss_peak, seen = resources.peak_rss_bytes(), work.seen()
        gpu_peaks = seen.gpu_allocated_peak_bytes, seen.gpu_reserved_peak_bytes
        if isinstance(work, FitWork):
            timed.samples.stage_ns.update(time_further(work, scratch))
        consumed, unknown_resources = resources.resources(
            timed.window.cpu_ticks, timed.window.energy, rss_peak, gpu_peaks, timed.window.health[1].gpu.process_bytes
        )
        condition, unknown_health = health.health(*timed.window.health, consumed.cpu_seconds)
        cache, unknown_cache = _cache_state(compiled, warm)
        in_effect, unknown_settings = effective(request, seen)
        facts, unknown_host = host(framework.distributions, case.device)
        return dataclasses.replace(
            record,
            effective=in_effect,
            samples=dataclasses.replace(
                timed.samples, import_ns=import_ns, setup_ns=setup_ns, gc_pause_ns=pauses, compiler_cache=cache
            ),
            resources=consumed,
            check=_finite(work.check()),
            host=facts,
            health=condition,
            history=timed.history,
            unknown={
                **timed.unknown,
                **unknown_settings,
                **unknown_resources,
                **unknown_health,
                **unknown_cache,
                **unknown_host,
            },
        )
    except Exception as error:
        together.claim()  # before `close` breaks the connections of the other processes
        remember_dead_worker(error)
        raise
    finally:
        work.close()


def _workload_module(framework: Framework, workload: str) -> ModuleType:
    try:
        return importlib.import_module(f"runners.{framework.name}.{workload}")
    except ModuleNotFoundError as error:
        if error.name == f"runners.{framework.name}.{workload}":
            raise Unsupported(f"{framework.name} has no workload {workload}") from error
        raise Unsupported(
            f"the Python package {error.name!r} is not installed in {sys.executable}; `make setup` installs it"
        ) from error


def _assert_version(framework: Framework, competitor: Competitor) -> None:
    """Raise Invalid if the run chose a version and another version is installed."""
    if not competitor.version:
        return
    for name in framework.distributions:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found = importlib.metadata.version(name)
            if found.partition("+")[0] != competitor.version.partition("+")[0]:
                raise Invalid("VERSION", f"{name} {competitor.version} was requested, {found} is installed")
            return
    raise Unsupported(f"none of {', '.join(framework.distributions)} is installed; `make setup` installs it")


def _cache_of(folder: Path, record: Record) -> Path:
    """The compiler's cache of this competitor on this case. Code of other competitors would make it look warm.

    Raises Invalid if the folder cannot be written.
    """
    identity = f"{dataclasses.astuple(record.case)} {dataclasses.astuple(record.competitor)}"
    own = folder / hashlib.sha256(identity.encode()).hexdigest()[:16]
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(
            "DISK", f"{folder}: cannot write there ({error.strerror}); --compiler-cache must be writable"
        ) from None
    return own


def _holds_code(compiled: Path) -> bool:
    """Whether there is compiled code. The driver may write an index of the code that it has yet to compile."""
    return any(path.is_file() and path.name != "index" for path in compiled.rglob("*"))


def _reset_gpu_peak(framework: Framework) -> None:
    """Restart the peak of the framework's GPU memory at what it holds now, if the framework can do so."""
    device = sys.modules.get(f"runners.{framework.name}.device")
    getattr(device, "reset_gpu_peak", lambda: None)()


def _cache_state(compiled: Path, warm: bool) -> tuple[str | None, dict[str, str]]:
    """Whether compiled code was there before the first step (`warm`, `cold`), and the reason if that is unknown."""
    if not _holds_code(compiled):
        return None, {"samples.compiler_cache": "this variant keeps no compiled code"}
    return ("warm" if warm else "cold"), {}


def _check_only(work: StepWork | FitWork | OnceWork, request: Request, record: Record) -> Record:
    """The record with its evidence and the settings in effect. Nothing is timed."""
    if isinstance(work, FitWork):
        work.build()
        return dataclasses.replace(record, check=_finite(work.check()))
    if isinstance(work, OnceWork):
        work.run()
        in_effect, _ = effective(request, work.seen())
        return dataclasses.replace(record, effective=in_effect, check=_finite(work.check()))
    for stage in work.stages.values():
        if not stage.before():
            stage.run()
    for _ in range(CHECK_STEPS):
        work.step()
    work.synchronize()
    in_effect, _ = effective(request, work.seen())
    return dataclasses.replace(record, effective=in_effect, check=_finite(work.check()))


class _Window(NamedTuple):
    """What the timed window used, and the machine at its start and its end."""

    cpu_ticks: int
    energy: Energy
    health: tuple[health.Reading, health.Reading]


def _watched(device: str, measure: Callable[[], _T]) -> tuple[_T, _Window]:
    """Call `measure`, which is the timed window. Nothing is read from the machine within it."""
    meter = Meter(device)
    health_before, ticks_before = health.opening(device), resources.cpu_ticks()
    meter.start()
    measured = measure()
    energy = meter.stop()
    ticks, health_after = resources.cpu_ticks() - ticks_before, health.closing(device)
    return measured, _Window(ticks, energy, (health_before, health_after))


@dataclasses.dataclass(frozen=True)
class _Timed:
    """The samples of the timed window, and the window."""

    samples: Samples
    window: _Window
    history: list[Epoch] | None = None
    unknown: dict[str, str] = dataclasses.field(default_factory=dict)


def _time_steps(work: StepWork, options: Options, device: str) -> _Timed:
    stage_ns, stage_items, unknown = {}, {}, {}
    for name, stage in work.stages.items():
        if reason := stage.before():
            unknown[f"samples.stage_ns.{name}"] = reason
            continue
        began = now_ns()
        stage.run()
        stage_ns[name] = now_ns() - began
        if stage.items is not None:
            stage_items[name] = stage.items
    work, sampling = slowed(work, options.slowdown), options.sampling

    def measure() -> tuple[list[int], int, list[int]]:
        if work.queue_batches:
            return *sample_deliveries(work, sampling), []
        times = sample_steps(work, sampling)
        return times, sampling.warmup_steps, sample_groups(work, sampling) if device == "gpu" else []

    (times, warmup, groups), window = _watched(device, measure)
    samples = Samples(
        times,
        warmup,
        work.items,
        first_step_ns=stage_ns.get("first_batch", stage_ns.get("compile", 0) + times[0]),
        import_ns=0,
        setup_ns=0,
        stage_ns=stage_ns,
        stage_items=stage_items,
        queue_batches=work.queue_batches,
        group_ns=groups,
        group_steps=GROUP_STEPS if groups else 0,
        injected_slowdown=options.slowdown,
        flops_per_step=work.flops,
        bytes_per_step=work.bytes,
        pipeline=list(work.pipeline()),
    )
    if options.model:
        cost = ("samples.flops_per_step", "samples.bytes_per_step")
        unknown |= dict.fromkeys(cost, "the layers of a user's own model are not known")
    if not groups:
        unknown["samples.group_ns"] = "measured only for steps on a GPU"
    return _Timed(samples, window, unknown=unknown)


def _time_fit(work: FitWork, case: Case, scratch: Path) -> _Timed:
    fitted, window = _watched(
        case.device, lambda: time_stages(work, case.epochs or 1, scratch, bool(case.test_each_epoch))
    )
    samples = Samples([], 0, work.train_items, None, import_ns=0, setup_ns=0, stage_ns=fitted.stage_ns)
    unknown = dict.fromkeys(("samples.first_step_ns", "samples.group_ns"), "fit is timed by stages and epochs")
    return _Timed(samples, window, fitted.history, unknown)


def _time_once(work: OnceWork, case: Case) -> _Timed:
    def measure() -> int:
        began = now_ns()
        work.run()
        return now_ns() - began

    taken, window = _watched(case.device, measure)
    samples = Samples([], 0, 1, None, import_ns=0, setup_ns=0, stage_ns={work.stage: taken})
    unknown = dict.fromkeys(("samples.first_step_ns", "samples.group_ns"), f"{work.stage} is timed once")
    return _Timed(samples, window, unknown=unknown)


def _finite(check: Check) -> Check:
    """The check. Raises Invalid if it holds a NaN or an infinity."""
    for name, value in dataclasses.asdict(check).items():
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
            raise Invalid("NUMBERS", f"{name.replace('_', ' ')} is not finite")
    return check
