"""What a framework declares, and the small frozen objects through which the harness drives it.

A framework's folder holds `framework.py` with one `FRAMEWORK` (a `Framework`, importable without the framework itself),
`device.py` with `is_out_of_memory(error)`, and one module a workload with one function
`prepare(request) -> StepWork | FitWork`. For `train` and `infer`, runners/reference/evidence.py makes the StepWork.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runners.harness.axes import Axis, Value
from runners.harness.case import Case, Competitor
from runners.harness.manifest import Manifest
from runners.harness.record import Check, PipelineStage


class Unsupported(Exception):
    """This framework cannot do this case here; the message says why and what would change it."""


class Invalid(Exception):
    """The work is not the case's work: a check failed. `kind` is the constant shown in the table."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Workload:
    """What a framework offers for one workload; the first variant and all `loaders` are the usual ones.

    `loaders` is empty for workloads that read no data. `more_loaders` take part where a profile or a person asks for
    all, or names them. For `load` the competitors are loader × variant. In the track
    `matched` all do the same work; in `default` each does what its own defaults are. `sizes` are the
    input sizes that a network can take, in pixels a side, its usual one first; a network without any takes all.
    `takes` names the axes of a case that are neither listed here nor mandatory, and that this framework works with.
    """

    variants: tuple[str, ...]
    loaders: tuple[str, ...] = ()
    more_loaders: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ("fp32",)
    devices: tuple[str, ...] = ("cpu", "gpu")
    tracks: tuple[str, ...] = ("matched",)
    takes: tuple[str, ...] = ()

    @property
    def every_loader(self) -> tuple[str, ...]:
        """The usual loaders, then the others."""
        return self.loaders + self.more_loaders

    def does(self, axis: Axis, workload: str, value: Value | None) -> bool:
        """Whether a case may have this value of an axis."""
        if value is None or axis.mandatory:
            return True
        if axis.offers:
            return value in getattr(self, axis.offers)
        return value == axis.usual_of(workload) or axis.name in self.takes

    def usual_size(self, network: str | None) -> int | None:
        """The first input size of a network that does not take all."""
        return next(iter(self.sizes.get(network or "", ())), None)


@dataclass(frozen=True)
class Framework:
    """One contestant: its name, the workloads it has, the distributions whose versions belong in a record.

    The first of `distributions` that is installed is the framework's own: a run may choose its version. A framework
    `by_name` takes part only where a person names it (FRAMEWORKS=jax, or FRAMEWORKS=all).
    """

    name: str
    distributions: tuple[str, ...]
    workloads: Mapping[str, Workload]
    by_name: bool = False


@dataclass(frozen=True)
class Request:
    """All a workload needs to prepare one replicate.

    `manifest` and `data_root` are set where the case has a dataset; `scratch` is an empty writable folder
    that is removed afterwards; `threads` is the number of compute threads that every side must use. `compiler_cache`
    is a writable folder for compiled code, this competitor's on this case alone: an earlier replicate left what it
    holds.
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
class Seen:
    """What a framework reports about itself and its results after the timed window; the request is no source for it.

    `device` ("cpu" or "gpu") and `precision` ("fp32", "bf16" …) are those of the results; where results differ, their
    names are joined by "+". `threads_intra` is how many threads share one operation, `threads_inter` how many
    operations run at once. `layout` is that of the images (NCHW, NHWC), `parameters` the number format of the weights.
    `tf32` says whether a GPU rounds the factors of float32 products, `gpu` is its name. `settings` are others that a
    reader should know. `unknown` gives the reason for each number of threads that is None.
    """

    device: str
    precision: str
    threads_intra: int | None
    threads_inter: int | None = None
    layout: str | None = None
    parameters: str | None = None
    tf32: bool | None = None
    gpu: str | None = None
    gpu_allocated_peak_bytes: int | None = None
    gpu_reserved_peak_bytes: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StepWork:
    """train, infer, load: a unit of work that can be repeated.

    `step` does one unit, `synchronize` returns once the device has finished it, `items` is images per step.
    `seen` and `check` are called after the timed window: what was in effect, and the evidence. For loaders
    `queue_batches` is how many batches may be ready at once (workers × prefetch) and `workers` how many fill it; both 0
    elsewhere.
    `stages` names extra durations: each is timed once, in this order, before the loop; one called `compile` is what a
    variant does ahead of its first step, which it counts towards. `flops` and `bytes` are what a step needs at the
    least (runners/reference/cost.py), None where nobody counted. `pipeline` tells, once `stages` have run, what those
    of the loader's own pipeline did.
    """

    step: Callable[[], object]
    synchronize: Callable[[], None]
    items: int
    check: Callable[[], Check]
    seen: Callable[[], Seen]
    close: Callable[[], None]
    workers: int = 0
    queue_batches: int = 0
    flops: int | None = None
    bytes: int | None = None
    stages: Mapping[str, Stage] = field(default_factory=dict)
    pipeline: Callable[[], Sequence[PipelineStage]] = tuple


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
    seen: Callable[[], Seen]
    close: Callable[[], None]
