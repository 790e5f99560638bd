"""The record: one immutable JSON file for each replicate.

Times are integer nanoseconds of a monotonic clock, sizes are bytes, and field names carry the units.
An unknown value is null, never 0, and `unknown` holds the reason under the field's dotted name.
A record keeps raw samples; the aggregator derives all statistics from them.
"""

import base64
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from runners.harness.case import STRICT, Block, Case, Competitor
from runners.harness.files import write_atomically

SCHEMA_VERSION = 12
SCHEMA_HISTORY = {
    1: "first published form",
    2: "aliases, throughput apart from latency, injected slowdown; more of the machine's health",
    3: "chosen versions, the step's arithmetic and traffic, the state of the compiler's cache; peaks without set-up",
    4: "fit: time spent waiting for data; on request, loss and accuracy on the test images after each epoch",
    5: "load: images handled by each stage; a second epoch, an epoch with a cold page cache, and the limits",
    6: "load: how busy each stage of the loader's own pipeline is",
    7: "health: minor faults, and the share of memory in huge pages",
    8: "host: the settings of the C library's allocator",
    9: "host: the first package is the framework's own",
    10: "settings: the UUID of the GPU; resources: energy of all CPU packages with their memory, and of the GPU",
    11: "scale: the processes that share a step; their gradients beside the gradients of one process",
    12: "export: its file beside its source; fit: images as the network gets them; infer: a user's own model; load: "
    "prefetch, the split, and how batches are copied to the GPU",
}

RECORD_BYTES = 32 * 2**20
"""The most bytes of one record; the longest loader stream stays well below it."""

LOST = "LOST"
"""The kind of a failure of the engine, which says nothing about the competitor."""
DAMAGED, NO_RECORD = "INVALID", "RECORD"
"""The kinds of a failure of the record: it holds what nobody can have measured, or it cannot be read at all."""


class Status(StrEnum):
    """How a replicate ended. Only `ok` replicates are compared."""

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

    `kind` is a short constant that a table shows in the cell: BUILD, OOM(host), OOM(gpu), CRASH(SIGSEGV), SHM,
    TIMEOUT, LOST, RECORD, INVALID, PARITY, PARAMETERS, DATA, DEVICE, LOADER, MODEL, EXPORT, UNSUPPORTED, ERROR …
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: str
    message: str
    exit_code: int | None = None
    log_tail: str = ""


@dataclass(frozen=True)
class Effective:
    """Settings in effect, read back at run time rather than copied from the request.

    `gpu_uuid` is the UUID that CUDA's driver gives for the GPU, or for the part of a GPU that MIG divides.
    """

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
    gpu_uuid: str | None = None


@dataclass(frozen=True)
class PipelineStage:
    """The work of one stage of a loader's own pipeline during the epoch `stage_ns.observed`.

    `busy_ns` is the sum over all `tasks`; up to `workers` tasks could run at once.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    name: str
    workers: int
    tasks: int
    busy_ns: int


@dataclass(frozen=True)
class Samples:
    """Raw times.

    `step_ns` is latency: the time of every step, each followed by a wait for the device. The first `warmup_steps` steps
    are warm-up. For loaders a step is one batch, and its time runs from delivery to delivery. `group_ns` is throughput,
    measured on a GPU: each entry is the time of `group_steps` steps with one wait after the last.
    `first_step_ns` is step 0 (tracing, compiling, autotuning) plus the stage `compile` of variants that compile ahead;
    for loaders it is the time to the first batch. `compiler_cache` is `warm` if compiled code was there before the
    first step, `cold` if not, and null for variants that keep no compiled code.
    `stage_ns` holds the times of whole stages. `fit` has load, build, train, save, restore, evaluate, and `save pt2`
    and `restore pt2` for a further format, `load` has the stages of runners/reference/passes.py, `export` has export,
    steps have compile. `stage_items` counts the images that a stage of `load` handled. `pipeline` tells about the
    loader's own stages during the stage `observed`. `queue_batches` is the largest number of batches that a loader
    holds ready.
    `injected_slowdown` is 1 unless the run slowed this competitor down on purpose, to see whether the verdicts find it.
    `flops_per_step` and `bytes_per_step` are the least that a step of the case needs, counted from the network
    (runners/reference/cost.py).
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
    """Memory peaks in bytes, CPU time and energy.

    `rss_peak_bytes` belongs to the process tree and counts from the first step on, so that memory needed for set-up
    alone, such as generating weights, is not in it. `cgroup_peak_bytes` covers the whole replicate. `cpu_seconds` (of
    the process tree), `energy_joules` and `gpu_energy_joules` cover the timed window. Energy is the energy of the whole
    CPU and of the whole GPU, whatever ran there. `energy_joules` is the sum of the `energy_counters`: every CPU
    package, and the memory of a package that counts it separately. Up to version 9 it was the first package alone.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    rss_peak_bytes: int | None
    cgroup_peak_bytes: int | None
    gpu_allocated_peak_bytes: int | None
    gpu_reserved_peak_bytes: int | None
    gpu_process_peak_bytes: int | None
    cpu_seconds: float
    energy_joules: float | None
    gpu_energy_joules: float | None = None
    energy_counters: list[str] = field(default_factory=list)


FLIPS = ("none", "left-right", "upside-down", "both")
MOST_IMAGES, MOST_SIDE = 8, 64
"""A record keeps at most so many images, each of at most so many pixels a side."""


@dataclass(frozen=True)
class DeliveredImages:
    """Some training images as the network gets them: prepared, and flipped if the case augments.

    `positions` are their places among the training images of the manifest, `flips` how each was flipped (FLIPS). `rgb`
    holds uint8 pixels (image, row, column, channel) in base64; `side` is the number of rows and of columns. Images of
    more than 64 pixels a side are shrunk, after they were compared with the reference decoder.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    side: int
    positions: list[int]
    flips: list[str]
    rgb: str

    @property
    def pixels(self) -> bytes:
        """The decoded `rgb`. Raises ValueError where it is no base64."""
        return base64.b64decode(self.rgb, validate=True)


@dataclass(frozen=True)
class Check:
    """Evidence that this replicate did the work of its case.

    `logits_sketch` is a fixed random projection of the logits of the reference batch (runners/reference/sketch.py).
    `losses` are the training losses before the 1st, 2nd … optimiser step from the shared weights, `losses_fp64` the
    losses of the framework's own float64 run. `evaluated_fp64` is a sketch of the logits in evaluation mode after the
    float64 run; it depends on the running statistics. `pixel_mean_difference` and `pixel_worst_image` are absolute
    differences to the reference decoder, out of 255. `gradient_difference` is the largest relative difference, over the
    arrays of a network, between the mean gradient of all processes and the gradient of one process on the whole batch.
    `file_bytes` is the size of an exported file with its weights. `export_difference` is the relative difference
    between its logits, computed by a runtime of its format, and the logits of the model that was exported.
    `parameters` counts the parameters of a user's own model as the framework holds them. It is not compared, because
    frameworks hold a model in different forms.
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
    gradient_difference: float | None = None
    file_bytes: int | None = None
    export_difference: float | None = None
    images: DeliveredImages | None = None
    parameters: int | None = None


@dataclass(frozen=True)
class Host:
    """The machine and the software: the facts that a reader needs to repeat the measurement."""

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
    """The state of the machine around the timed window. Counters are differences between its end and its start.

    Context switches and page faults count this process and its ended children. `threads` is the number of threads of
    this process at the end. `swapped_in_pages` counts the whole machine. `steal_fraction` and `others_cpu_fraction` are
    shares of the time of the CPUs that this process may use: the share that the virtual machine's host took, and the
    share of all processes other than this one and its children. `product_ns_before` and `product_ns_after` are the
    times of one fixed matrix product before and after the window. `mhz_low` and `mhz_high` are the clock of the fastest
    CPU that this process may use, at the two edges. `gpu_limits` names the limits that held the GPU's clock back.
    `gpu_processes` is the number of processes that computed on the GPU. `huge_page_fraction` is the share of this
    process's anonymous memory in huge pages at the end.
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
    """One epoch of `fit`: its mean loss, its accuracy and its time.

    For `waited_ns` of this time the training loop waited for a batch. `test_loss` and `test_accuracy` are measured on
    the test images after the epoch, outside its time; they are null unless the case asks for them.
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
    """One replicate."""

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

    @property
    def failed_check(self) -> bool:
        """The replicate did other work than its case asks for. A damaged record does not say so."""
        damaged = self.error is not None and self.error.kind in (DAMAGED, NO_RECORD)
        return self.status is Status.INVALID and not damaged


def unknown(part: str, found: object, reasons: Mapping[str, str]) -> dict[str, str]:
    """The reason of each value of a part of the record that is unknown, under its dotted name."""
    return {f"{part}.{name}": reason for name, reason in reasons.items() if getattr(found, name) is None}


def to_json(record: Record) -> bytes:
    """The record as JSON in ASCII. Its times may be any sequences.

    Raises ValueError for a number that is not finite: no reader could trust such a record.
    """
    text = json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False, default=list)
    return (text + "\n").encode("ascii")


def write_record(record: Record, folder: Path) -> Path:
    """Write `record` under `folder` as `<record_id>.json`, whole or not at all."""
    path = folder / f"{record.record_id}.json"
    write_atomically(path, to_json(record))
    return path


def log_tail(text: str, lines: int = 30, characters: int = 4000) -> str:
    """The end of a log, short enough for a record."""
    return "\n".join(text.splitlines()[-lines:])[-characters:]


def provenance() -> dict[str, Any]:
    """Facts that only the engine knows (its name, image id, commit), as JSON from LEVELFIELD_PROVENANCE."""
    try:
        facts = json.loads(os.environ.get("LEVELFIELD_PROVENANCE", "{}"))
    except json.JSONDecodeError:
        facts = {}
    return facts if isinstance(facts, dict) else {}
