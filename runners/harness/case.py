"""What is measured: a case, the competitors that run it, and where a replicate stands in the order.

The identity of a measurement is these frozen values; it is never parsed out of a file name.
"""

import json
from dataclasses import KW_ONLY, asdict, dataclass, replace
from typing import ClassVar

from runners.harness.axes import axes_of, axis

STRICT = {"extra": "forbid", "strict": True, "allow_inf_nan": False}
"""How strictly a loader (pydantic) reads these dataclasses: no unknown key, no coercion, finite numbers."""


@dataclass(frozen=True)
class DatasetRef:
    """The data a case reads: `digest` covers every path, label and byte of the split used."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    id: str
    digest: str
    items: int
    bytes: int


STEPS = ("train", "infer")


@dataclass(frozen=True)
class Case:
    """A workload with all its parameters fixed, less framework, variant and loader.

    Competitors are compared on a case. A parameter that a workload does not have is None. Options, columns and the
    words of a label stand in the order of the fields.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    workload: str
    device: str
    _: KW_ONLY
    network: str | None = axis(
        "which network", dict.fromkeys((*STEPS, "fit"), "cnn4"), option="networks", chosen_for=STEPS, offers="networks"
    )
    stage: str | None = axis(
        "how far a loader goes: decode, batch, normalize, transfer; what a machine is measured at: product, copy",
        {"load": "batch", "roof": "product"},
        offers="stages",
    )
    input_size: int | None = axis(
        "side of the square image in pixels",
        dict.fromkeys((*STEPS, "fit"), 224),
        "{} px",
        column="size",
        unit="px",
        option="sizes",
        chosen_for=STEPS,
        mandatory=True,
    )
    batch_size: int = axis(
        "images a step",
        32,
        "batch {}",
        unsaid={"roof": 1},
        column="batch",
        option="batches",
        chosen_for=(*STEPS, "fit"),
        required=True,
        mandatory=True,
    )
    workers: int | None = axis(
        "workers of the loader",
        {"load": 1, "fit": 1},
        "workers {}",
        least=0,
        option="workers",
        chosen_for=("load", "fit"),
        mandatory=True,
    )
    cache: bool | None = axis(
        "keep decoded images in memory",
        {"fit": False},
        "cache",
        unsaid=False,
        option="cache",
        chosen_for=("fit",),
        mandatory=True,
    )
    augment: bool | None = axis(
        "flip images at random",
        {"fit": False},
        "augment",
        unsaid=False,
        option="augment",
        chosen_for=("fit",),
        mandatory=True,
    )
    epochs: int | None = axis(
        "passes over the training images", {"fit": 1}, "epochs {}", option="epochs", chosen_for=("fit",), mandatory=True
    )
    test_each_epoch: bool | None = axis(
        "accuracy on the test images after every epoch, off the training's clock",
        {"fit": False},
        "tested each epoch",
        unsaid=False,
        option="test_each_epoch",
        chosen_for=("fit",),
        mandatory=True,
    )
    precision: str = axis(
        "fp32, tf32, bf16 or fp16, as the device has it",
        "fp32",
        unsaid=dict.fromkeys((*STEPS, "load", "fit"), "fp32"),
        option="precision",
        chosen_for=(*STEPS, "roof"),
        offers="precisions",
    )
    scope: str | None = axis(
        "compute: data starts on the device; transfer+compute: in the host's memory",
        dict.fromkeys(STEPS, "compute"),
        unsaid="compute",
        option="scope",
        chosen_for=STEPS,
        offers="scopes",
    )
    track: str = axis(
        "matched: the same work on every side; default: each its own default settings",
        "matched",
        "{} settings",
        unsaid="matched",
        offers="tracks",
    )
    seed: int = axis(
        "of the training: its order of images and its flips",
        25,
        "seed {}",
        unsaid=25,
        least=0,
        option="seeds",
        chosen_for=("fit",),
        required=True,
        mandatory=True,
    )
    dataset: DatasetRef | None = None

    @property
    def key(self) -> str:
        """Names the case, however labels are worded and whatever axes are declared later: what has a value, as JSON.

        The order of a run is drawn from it, and links into reports are made of it.
        """
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None}, sort_keys=True)

    @property
    def subject(self) -> str:
        """What the work is done on or with: its network or its stage."""
        return self.network or self.stage or self.workload

    def settings(self, *without: str) -> list[str]:
        """In words, what tells the case from others of its workload, subject, device and data: every axis but these."""
        left_out = ("network", "stage", *without)
        said = [axis.said(getattr(self, axis.name), self.workload) for axis in AXES if axis.name not in left_out]
        return [text for text in said if text]

    @property
    def label(self) -> str:
        """The name in lists: `train cnn4 32 px batch 32 cpu`; unique among the cases of one data set."""
        subject = [name for name in (self.network, self.stage) if name]
        data = [self.dataset.id] if self.dataset else []
        return " ".join([self.workload, *subject, *self.settings(), *data, self.device])


AXES = axes_of(Case)


@dataclass(frozen=True, order=True)
class Competitor:
    """Who runs a case: a framework in one of its variants; `loader` only where the workload reads data.

    `alias` tells two competitors apart that are the same program: the labels of an A/A run. `version` is set where a
    run chose the framework's version, so that two of them can compete; empty stands for the pinned one.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    framework: str
    variant: str
    loader: str = ""
    alias: str = ""
    version: str = ""

    @property
    def program(self) -> str:
        """What is built and started: `tensorflow`, or `tensorflow@2.16.2` where a version was chosen."""
        return f"{self.framework}@{self.version}" if self.version else self.framework

    @property
    def without_alias(self) -> "Competitor":
        """What is measured: all of the name but its alias."""
        return replace(self, alias="") if self.alias else self

    @property
    def label(self) -> str:
        """The name in tables: `pytorch/eager`, `pytorch/spdl/plain`, `tensorflow@2.16.2/graph`, `pytorch/eager:A`."""
        program = "/".join(part for part in (self.program, self.loader, self.variant) if part)
        return f"{program}:{self.alias}" if self.alias else program


@dataclass(frozen=True)
class Block:
    """Where a replicate stands: block `number` (from 0) of its case, `position` (from 0) inside it.

    `sequence` counts the replicates of the whole run in the order they were started, from which
    the order can be audited; `order_seed` rebuilds the schedule.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    number: int
    position: int
    sequence: int
    order_seed: int
    started_at: str
