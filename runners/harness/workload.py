"""The declaration of a framework, and the objects through which the harness drives it.

A framework's folder holds `framework.py` with `FRAMEWORK` (a `Framework`; importable without the framework's package),
`device.py` with `is_out_of_memory(error)` and, if the framework counts the peak of its GPU memory and can restart it,
`reset_gpu_peak()`, and one module for each workload with a function
`prepare(request) -> StepWork | FitWork | OnceWork`. For `train` and `infer`, runners/reference/evidence.py makes the
StepWork.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runners.harness.axes import Axis, Value
from runners.harness.case import AS_VARIANT, Case, Competitor
from runners.harness.manifest import Manifest
from runners.harness.own_model import OwnModel
from runners.harness.rank import SINGLE, Rank
from runners.harness.record import Check, PipelineStage


class Unsupported(Exception):
    """The framework cannot run this case on this machine. The message says why, and what would change it."""


class Invalid(Exception):
    """A check failed: the work is not the case's work. `kind` is the short constant that a table shows."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Unusable(Exception):
    """A user's own model cannot be measured: it fails, or is no model for this framework. The message says why."""


@dataclass(frozen=True)
class Workload:
    """What a framework offers for one workload. The first variant and all `loaders` are used by default.

    `loaders` is empty for workloads that read no data. `more_loaders` take part only if the profile or the user names
    them, or asks for all. The competitors of `load` are loader × variant. In the track `matched` all competitors do the
    same work, in `default` each uses its own default settings. `sizes` are the input sizes of a network in pixels a
    side, the usual size first; a network without an entry takes any size. `takes` names further axes of which the
    framework supports every value.
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
    gpu_copies: tuple[str, ...] = (AS_VARIANT,)
    global_batches: tuple[str, ...] = ("fixed", "growing")
    formats: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    @property
    def every_loader(self) -> tuple[str, ...]:
        """`loaders`, then `more_loaders`."""
        return self.loaders + self.more_loaders

    def supports(self, axis: Axis, workload: str, value: Value | None) -> bool:
        """Whether the framework supports this value of an axis."""
        if value is None or axis.mandatory:
            return True
        if axis.offers:
            return value in getattr(self, axis.offers)
        return value == axis.usual_of(workload) or axis.name in self.takes

    def usual_size(self, network: str | None) -> int | None:
        """The network's usual input size, or None if it takes any size."""
        return next(iter(self.sizes.get(network or "", ())), None)


@dataclass(frozen=True)
class Framework:
    """A framework: its name, its workloads, and the distributions whose versions belong in a record.

    The first installed distribution is the framework itself; a run may choose its version. A framework with `by_name`
    takes part only if the user names it (FRAMEWORKS=jax, or FRAMEWORKS=all). `title` is the name as people write it,
    `loader_titles` are such names of its loaders.
    """

    name: str
    distributions: tuple[str, ...]
    workloads: Mapping[str, Workload]
    by_name: bool = False
    title: str = ""
    loader_titles: Mapping[str, str] = field(default_factory=dict)

    @property
    def titles(self) -> dict[str, str]:
        """The names as people write them: of the framework, and of its loaders as `framework/loader`."""
        loaders = {f"{self.name}/{loader}": title for loader, title in self.loader_titles.items()}
        return {self.name: self.title} | loaders


@dataclass(frozen=True)
class Request:
    """Everything that a workload needs to prepare one replicate.

    `threads` is the number of compute threads that every competitor must use, in each of its processes. `rank` is this
    process's place among them. `scratch` is an empty writable folder, removed afterwards. `model` is the user's own
    model, if the case has one. `compiler_cache` is a writable folder for compiled code, shared by the replicates of
    this competitor on this case. `packed` is a writable folder for packed images, shared by all replicates of the run.
    `manifest` and `data_root` are None if the case has no data set.
    """

    case: Case
    competitor: Competitor
    threads: int
    scratch: Path
    compiler_cache: Path
    manifest: Manifest | None = None
    data_root: Path | None = None
    rank: Rank = SINGLE
    model: OwnModel | None = None
    packed: Path | None = None


@dataclass(frozen=True)
class Stage:
    """A stage that is timed once: `before` runs off the clock, then `run` on the clock.

    If the stage is impossible here, `before` returns the reason. `items` is the number of images that a loader's stage
    handles.
    """

    run: Callable[[], object]
    before: Callable[[], str | None] = lambda: None
    items: int | None = None


@dataclass(frozen=True)
class Seen:
    """What a framework reports about itself and its results after the timed window. No value comes from the request.

    `device` ("cpu" or "gpu") and `precision` ("fp32", "bf16" …) are read from the results; if results differ, "+" joins
    the names. `threads_intra` is how many threads share one operation, `threads_inter` how many operations run at once.
    `layout` is the layout of the images (NCHW, NHWC), `parameters` the number format of the weights. `tf32` tells
    whether a GPU rounds the factors of float32 products, `gpu` is the GPU's name. `settings` are other settings that a
    reader should know. `unknown` gives a reason for each number of threads that is None.
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
    """The work of train, infer or load: a step that can be repeated.

    `step` does one step, `synchronize` returns when the device has finished it, `items` is the number of images per
    step. After the timed window, `seen` reports the settings in effect and `check` the evidence. For loaders,
    `queue_batches` is the largest number of ready batches (workers × prefetch), filled by `workers` workers; both are 0
    for other workloads.
    `stages` are timed once, in this order, before the loop. The stage `compile` is work that a variant does ahead of
    its first step; its time counts towards the first step. `flops` and `bytes` are the least that a step needs
    (runners/reference/cost.py), or None if unknown. `pipeline` is called after `stages`; it reports the work of the
    stages in the loader's own pipeline.
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
class EpochResult:
    """One pass over the training images: mean loss, accuracy, and the time that the loop waited for batches."""

    loss: float
    accuracy: float
    waited_ns: int


@dataclass(frozen=True)
class SavedAs:
    """A further format in which `fit` saves its trained model: `save` writes a file, `restore` reads it back."""

    save: Callable[[Path], None]
    restore: Callable[[Path], None]


@dataclass(frozen=True)
class FitWork:
    """The work of fit: end-to-end training from disk, in stages that start and end alike in every framework.

    `load` builds a loader, takes its first batch and drops the loader, so that training starts with a cold cache.
    `train_epoch` trains one epoch. `evaluate` gives (loss, accuracy) over the test split: of the trained model, or
    after `restore` of the restored model. `further` are other formats, by name: each is timed after everything else, so
    that what it needs does not count towards the memory and the CPU time of the training.
    """

    load: Callable[[], None]
    build: Callable[[], None]
    train_epoch: Callable[[int], EpochResult]
    save: Callable[[Path], None]
    restore: Callable[[Path], None]
    evaluate: Callable[[], tuple[float, float]]
    train_items: int
    check: Callable[[], Check]
    seen: Callable[[], Seen]
    close: Callable[[], None]
    further: Mapping[str, SavedAs] = field(default_factory=dict)


@dataclass(frozen=True)
class OnceWork:
    """The work of export: a task that people do once in a process, and that is timed once, without a warm-up.

    `run` is the only thing that is timed; its time is the stage `stage` of the record.
    """

    stage: str
    run: Callable[[], object]
    check: Callable[[], Check]
    seen: Callable[[], Seen]
    close: Callable[[], None] = lambda: None
