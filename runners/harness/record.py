"""The record: one immutable JSON file for each replicate.

Times are integer nanoseconds of a monotonic clock, sizes are bytes, units live in field names.
What is unknown is null, with its reason in `unknown` under the field's dotted name; never 0.
Raw samples are kept; statistics are derived later, by the aggregator.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from runners.harness.case import STRICT, Block, Case, Competitor
from runners.harness.files import write_atomically

SCHEMA_VERSION = 9
SCHEMA_HISTORY = {
    1: "first published form",
    2: "aliases, throughput apart from latency, injected slowdown; more of the machine's health",
    3: "chosen versions, the step's arithmetic and traffic, the state of the compiler's cache; peaks without set-up",
    4: "fit: waiting for data, and the test images after each epoch where they are asked",
    5: "load: how many images each stage handled; a second epoch, one with a cold page cache, and the limits",
    6: "load: how busy each stage of the loader's own pipeline is",
    7: "health: minor faults, and the share of memory in huge pages",
    8: "host: what the C library's allocator was told",
    9: "host: the first of the packages is the framework's own",
}


LOST = "LOST"
"""The kind of failure where the engine died, which says nothing about the competitor."""


class Status(StrEnum):
    """How a replicate ended; only `ok` is ever compared."""

    OK = "ok"
    FAILED = "failed"
    OOM = "oom"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    UNSUPPORTED = "unsupported"
    INVALID = "invalid"


@dataclass(frozen=True)
class Failure:
    """Why a replicate is not `ok`.

    `kind` is a short constant shown in a table's cell: BUILD, OOM(host), OOM(gpu), CRASH(SIGSEGV), SHM,
    TIMEOUT, LOST, PARITY, PARAMETERS, DATA, DEVICE, UNSUPPORTED, ERROR …
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: str
    message: str
    exit_code: int | None = None
    log_tail: str = ""


@dataclass(frozen=True)
class Effective:
    """Settings in effect, read back at run time rather than copied from the request."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    device: str
    precision: str
    threads_intra: int | None
    threads_inter: int | None
    tf32: bool | None
    layout: str | None
    visible_cpus: int
    cgroup_cpu_quota: float | None
    shm_bytes: int | None
    gpu: str | None
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PipelineStage:
    """What one stage of a loader's own pipeline did while it was watched (`stage_ns.observed`).

    `busy_ns` is summed over `tasks`, of which `workers` could run at once.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    name: str
    workers: int
    tasks: int
    busy_ns: int


@dataclass(frozen=True)
class Samples:
    """Raw times.

    `step_ns` holds every step, the `warmup_steps` leading ones included; for loaders a step is one batch
    delivered and its time runs from delivery to delivery. `first_step_ns` is step 0 (tracing, compiling,
    autotuning) and, where a variant compiles ahead of it, its stage `compile`; for loaders the time to the first batch.
    `compiler_cache` says whether compiled code was there already (`warm`) or not (`cold`), null where none is kept.
    `stage_ns` holds whole stages (fit: load, build, train, save, restore, evaluate; load: those of
    runners/reference/passes.py; steps: compile), `stage_items` how many images a stage of `load` handled, `pipeline`
    what its loader's own stages did in the one called `observed`. `queue_batches` is how many batches a loader may have
    ready.
    `step_ns` is latency: the device is waited for after every step. `group_ns` is throughput, on a device that works
    beside the CPU: each entry is `group_steps` steps with one wait after the last. `injected_slowdown` is 1 unless
    the run was told to slow this competitor down, to see whether the verdicts find it. `flops_per_step` and
    `bytes_per_step` are what the case's step needs at the least, counted from the network (runners/reference/cost.py).
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    step_ns: Sequence[int]
    warmup_steps: int
    items_per_step: int
    first_step_ns: int | None
    import_ns: int
    setup_ns: int
    stage_ns: dict[str, int] = field(default_factory=dict)
    stage_items: dict[str, int] = field(default_factory=dict)
    gc_pause_ns: Sequence[int] = field(default_factory=list)
    queue_batches: int = 0
    group_ns: Sequence[int] = field(default_factory=list)
    group_steps: int = 0
    injected_slowdown: float = 1.0
    flops_per_step: int | None = None
    bytes_per_step: int | None = None
    compiler_cache: str | None = None
    pipeline: Sequence[PipelineStage] = field(default_factory=list)


@dataclass(frozen=True)
class Resources:
    """Peaks in bytes; `rss_peak_bytes` is of the process tree, from the first step on: what set-up alone took, such as
    generating weights, is not in it. `cgroup_peak_bytes` is of the whole replicate.

    `cpu_seconds` and `energy_joules` are of the timed window: the process tree's, and the whole package's.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    rss_peak_bytes: int | None
    cgroup_peak_bytes: int | None
    gpu_allocated_peak_bytes: int | None
    gpu_reserved_peak_bytes: int | None
    gpu_process_peak_bytes: int | None
    cpu_seconds: float
    energy_joules: float | None


@dataclass(frozen=True)
class Check:
    """Evidence that this replicate did the work its case names.

    `logits_sketch` is a fixed random projection of the reference batch's logits
    (runners/reference/sketch.py); `losses` are the training loss before the 1st, 2nd … optimiser step from
    the shared weights, `losses_fp64` the same from the framework's own float64 run, `evaluated_fp64` a sketch of
    that run's logits in evaluation mode afterwards, which show its running statistics; `pixel_mean_difference`
    and `pixel_worst_image` are absolute differences to the reference decoder, of 255.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    trainable: int | None = None
    non_trainable: int | None = None
    weights_digest: str | None = None
    logits_sketch: list[float] | None = None
    losses: list[float] | None = None
    losses_fp64: list[float] | None = None
    evaluated_fp64: list[float] | None = None
    loss_first: float | None = None
    loss_last: float | None = None
    accuracy: float | None = None
    accuracy_restored: float | None = None
    delivered_items: int | None = None
    delivered_digest: str | None = None
    pixel_mean_difference: float | None = None
    pixel_worst_image: float | None = None


@dataclass(frozen=True)
class Host:
    """The machine and the software: what a reader needs to find the same again."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    hostname_digest: str
    cpu_model: str
    cpus: int
    memory_bytes: int
    kernel: str
    os: str
    governor: str | None
    gpu: str | None
    driver: str | None
    cuda: str | None
    cudnn: str | None
    python: str
    packages: dict[str, str]
    engine: str
    image_id: str | None
    image_base_digest: str | None
    commit: str | None
    dirty: bool | None
    allocator: str | None = None


@dataclass(frozen=True)
class Health:
    """Counters of the machine, read around the timed window; differences unless the name says otherwise.

    Context switches and faults are this process's and its ended children's; `threads` is how many it had at the end.
    `swapped_in_pages` is the whole machine's. `steal_fraction` and `others_cpu_fraction` are shares of the time of the
    CPUs it may use: what the host took, and what went to processes other than this one and its children.
    `product_ns_before` and `product_ns_after` are how long one fixed matrix product took on either side of the window;
    `mhz_low` and `mhz_high` the clock of the fastest CPU it may use, at the two edges. `gpu_limits` names what held the
    GPU's clock back; `gpu_processes` counts who computed on it. `huge_page_fraction` is the share of this process's
    anonymous memory that lay in huge pages at the end.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    load1_before: float | None
    load1_after: float | None
    steal_fraction: float | None
    pressure_some_fraction: float | None
    throttled_periods: int | None
    involuntary_switches: int | None
    voluntary_switches: int | None
    major_faults: int | None
    temperature_c_after: float | None
    window_ns: int
    threads: int | None = None
    swapped_in_pages: int | None = None
    others_cpu_fraction: float | None = None
    product_ns_before: int | None = None
    product_ns_after: int | None = None
    mhz_low: float | None = None
    mhz_high: float | None = None
    gpu_limits: list[str] | None = None
    gpu_processes: int | None = None
    gpu_temperature_c: float | None = None
    minor_faults: int | None = None
    huge_page_fraction: float | None = None


@dataclass(frozen=True)
class Epoch:
    """One epoch of `fit`: mean loss and accuracy over it, and how long it took.

    `waited_ns` is how much of that the training loop stood waiting for a batch. `test_loss` and `test_accuracy` are of
    the test images after it, outside its time, null where the case does not ask for them.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    epoch: int
    loss: float
    accuracy: float
    seconds_ns: int
    waited_ns: int | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None


@dataclass(frozen=True)
class Record:
    """One replicate, whole."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    schema_version: int
    record_id: str
    run_id: str
    status: Status
    error: Failure | None
    case: Case
    competitor: Competitor
    block: Block
    command: list[str]
    effective: Effective | None = None
    samples: Samples | None = None
    resources: Resources | None = None
    check: Check | None = None
    host: Host | None = None
    health: Health | None = None
    history: list[Epoch] | None = None
    unknown: dict[str, str] = field(default_factory=dict)


def to_json(record: Record) -> bytes:
    """The record as UTF-8 JSON, whatever sequences its times are in.

    A non-finite number raises ValueError, since no reader could trust it.
    """
    text = json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False, default=list)
    return (text + "\n").encode("ascii")


def write_record(record: Record, folder: Path) -> Path:
    """Write `record` under `folder` as `<record_id>.json`, whole or not at all."""
    path = folder / f"{record.record_id}.json"
    write_atomically(path, to_json(record))
    return path


def log_tail(text: str, lines: int = 30, characters: int = 4000) -> str:
    """The end of a log, small enough to travel in a record."""
    return "\n".join(text.splitlines()[-lines:])[-characters:]


def provenance() -> dict[str, Any]:
    """Facts only the engine knows (its name, image id, commit), handed down in LEVELFIELD_PROVENANCE as JSON."""
    try:
        facts = json.loads(os.environ.get("LEVELFIELD_PROVENANCE", "{}"))
    except json.JSONDecodeError:
        facts = {}
    return facts if isinstance(facts, dict) else {}
