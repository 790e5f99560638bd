"""What a framework declares, and the small frozen objects through which the harness drives it.

A framework's folder holds `framework.py` with one `FRAMEWORK` (a `Framework`, importable without the
framework itself) and one module a workload with one function `prepare(request) -> StepWork | FitWork`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runners.harness.case import Case, Competitor
from runners.harness.manifest import Manifest
from runners.harness.record import Check, Effective, PipelineStage


class Unsupported(Exception):
    """This framework cannot do this case here; the message says why and what would change it."""


class Invalid(Exception):
    """The work is not the case's work: a check failed. `kind` is the constant shown in the table."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class OutOfMemory(Exception):
    """The device ran out of memory; raised by runners from the framework's own exception."""


@dataclass(frozen=True)
class Workload:
    """What a framework offers for one workload; the first variant and the first loader setting are its usual ones.

    `loaders` is empty for workloads that read no data; those in `by_name` run only where they are asked for, since what
    they need is in no image of ours. For `load` the competitors are loader × variant. In the track
    `matched` all do the same work; in `default` each does what its own defaults are. `sizes` are the
    input sizes that a network can take, in pixels a side, its usual one first; a network without any takes all.
    """

    variants: tuple[str, ...]
    loaders: tuple[str, ...] = ()
    by_name: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ("fp32",)
    devices: tuple[str, ...] = ("cpu", "gpu")
    tracks: tuple[str, ...] = ("matched",)


@dataclass(frozen=True)
class Framework:
    """One contestant: its name, the workloads it has, the distributions whose versions belong in a record.

    The first of `distributions` that is installed is the one whose version a run may choose.
    """

    name: str
    distributions: tuple[str, ...]
    workloads: Mapping[str, Workload]


@dataclass(frozen=True)
class Request:
    """All a workload needs to prepare one replicate.

    `manifest` and `data_root` are set where the case has a dataset; `scratch` is an empty writable folder
    that is removed afterwards; `threads` is the number of compute threads both sides must use. `compiler_cache` is a
    writable folder for compiled code, this competitor's on this case alone: what it holds, an earlier replicate left.
    """

    case: Case
    competitor: Competitor
    threads: int
    scratch: Path
    compiler_cache: Path
    manifest: Manifest | None = None
    data_root: Path | None = None


@dataclass(frozen=True)
class Stage:
    """A duration of its own, timed once: `run`, after `before` off the clock.

    `before` gives the reason where the duration cannot be had here. `items` is how many images `run` handles, where the
    stage is a loader's.
    """

    run: Callable[[], object]
    before: Callable[[], str | None] = lambda: None
    items: int | None = None


@dataclass(frozen=True)
class StepWork:
    """train, infer, load: a unit of work that can be repeated.

    `step` does one unit, `synchronize` returns once the device has finished it, `items` is images per step.
    `check` and `effective` are called after the timed window: the evidence, and the settings read back;
    `gpu_peaks` gives (allocated, reserved) bytes. For loaders `queue_batches` is how many batches may be
    ready at once (workers × prefetch) and `workers` how many fill it; both 0 elsewhere.
    `stages` names extra durations: each is timed once, in this order, before the loop; one called `compile` is what a
    variant does ahead of its first step, which it counts towards. `flops` and `bytes` are what a step needs at the
    least (runners/reference/cost.py), None where nobody counted. `pipeline` tells, once `stages` have run, what those
    of the loader's own pipeline did.
    """

    step: Callable[[], object]
    synchronize: Callable[[], None]
    items: int
    check: Callable[[], Check]
    effective: Callable[[], Effective]
    close: Callable[[], None]
    workers: int = 0
    queue_batches: int = 0
    flops: int | None = None
    bytes: int | None = None
    stages: Mapping[str, Stage] = field(default_factory=dict)
    pipeline: Callable[[], Sequence[PipelineStage]] = tuple
    gpu_peaks: Callable[[], tuple[int | None, int | None]] = lambda: (None, None)


@dataclass(frozen=True)
class Passed:
    """One pass over the training images: mean loss, accuracy, and how long the loop stood waiting for a batch."""

    loss: float
    accuracy: float
    waited_ns: int


@dataclass(frozen=True)
class FitWork:
    """fit: end-to-end training from disk, as stages with the same start and end in every framework.

    `load` builds a loader and takes its first batch, then lets it go: training starts with a cold cache.
    `train_epoch` is one epoch; `evaluate` gives (loss, accuracy) over the test split of whatever model is current: the
    trained one, or after `restore` the restored one.
    """

    load: Callable[[], None]
    build: Callable[[], None]
    train_epoch: Callable[[int], Passed]
    save: Callable[[Path], None]
    restore: Callable[[Path], None]
    evaluate: Callable[[], tuple[float, float]]
    train_items: int
    check: Callable[[], Check]
    effective: Callable[[], Effective]
    close: Callable[[], None]
    gpu_peaks: Callable[[], tuple[int | None, int | None]] = lambda: (None, None)
