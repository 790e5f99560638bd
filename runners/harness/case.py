"""The identity of a measurement: a case, a competitor, and the replicate's place in the order.

A replicate is identified by these frozen values, never by its file name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, replace
from typing import ClassVar

from runners.harness.axes import axes_of, axis

STRICT = {"extra": "forbid", "strict": True, "allow_inf_nan": False}
"""How pydantic reads these dataclasses: no unknown key, no coercion, finite numbers only."""


@dataclass(frozen=True)
class DatasetRef:
    """The data that a case reads. `digest` covers every path, label and byte of the splits used."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    id: str
    digest: str
    items: int
    bytes: int


@dataclass(frozen=True)
class ModelRef:
    """A user's own model. `kind` is `onnx` or `function`.

    `digest` covers the bytes of the file that the user named and, of an ONNX file, the files of its weights.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: str
    digest: str
    bytes: int


STEPS = ("train", "infer")
NETWORKS = (*STEPS, "scale", "fit", "export")
"""The workloads of networks."""
OWN_MODEL = "own model"

FIRST_SPLIT = "first"
"""Stands for the first of the splits train, val, all and test that a data set has."""
PREFETCH = 2
"""The batches that each worker of a loader may hold ready, unless a case says otherwise."""
AS_VARIANT, PIPED = "variant", "piped"
"""Who copies a batch to the GPU: as the variant does it, or a stage of the loader's own pipeline."""


@dataclass(frozen=True)
class Case:
    """A workload with all its parameters fixed, except framework, variant and loader.

    Competitors are compared on a case. A parameter that a workload does not have is None. Options, columns and the
    words of a label have the order of the fields.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    workload: str
    device: str
    _: KW_ONLY
    network: str | None = axis(
        "which network",
        dict.fromkeys(NETWORKS, "cnn4"),
        option="networks",
        chosen_for=(*STEPS, "scale", "export"),
        offers="networks",
    )
    format: str | None = axis(
        "format of the exported file: onnx or tflite",
        {"export": "onnx"},
        option="formats",
        chosen_for=("export",),
        offers="formats",
    )
    stage: str | None = axis(
        "load: how far a loader goes (decode, batch, normalize, transfer); roof: what is measured (product, copy)",
        {"load": "batch", "roof": "product"},
        offers="stages",
    )
    input_size: int | None = axis(
        "side of the square image in pixels",
        dict.fromkeys(NETWORKS, 224),
        "{} px",
        column="size",
        unit="px",
        option="sizes",
        chosen_for=(*STEPS, "scale", "export"),
        mandatory=True,
    )
    input_shape: str | None = axis(
        "shape of one input of your own model, without the batch, such as 3x224x224", {}, mandatory=True
    )
    batch_size: int = axis(
        "images a step",
        32,
        "batch {}",
        unsaid={"roof": 1},
        column="batch",
        option="batches",
        chosen_for=(*NETWORKS, "load"),
        required=True,
        mandatory=True,
        choice="batch {}",
    )
    processes: int | None = axis(
        "processes that share a step, each with an equal part of the CPUs, or each with a GPU",
        {"scale": 1},
        "processes {}",
        option="processes",
        chosen_for=("scale",),
        mandatory=True,
    )
    global_batch: str | None = axis(
        "fixed: the processes divide the batch; growing: each of them has a whole batch",
        {"scale": "fixed"},
        "{} global batch",
        unsaid="fixed",
        option="global_batch",
        chosen_for=("scale",),
        offers="global_batches",
    )
    workers: int | None = axis(
        "workers of the loader",
        {"load": 1, "fit": 1},
        "workers {}",
        least=0,
        option="workers",
        chosen_for=("load", "fit"),
        mandatory=True,
        choice="{} workers",
    )
    prefetch: int | None = axis(
        "batches that each worker may hold ready",
        {"load": PREFETCH},
        "prefetch {}",
        unsaid=PREFETCH,
        option="prefetch",
        chosen_for=("load",),
        choice="prefetch {}",
    )
    gpu_copy: str | None = axis(
        "stage transfer: variant (a batch is copied as the variant does it), or piped (a stage of the loader's own "
        "pipeline copies it)",
        {"load": AS_VARIANT},
        "{} copy",
        unsaid=AS_VARIANT,
        option="gpu_copy",
        chosen_for=("load",),
        offers="gpu_copies",
    )
    split: str | None = axis(
        "the split to read; first: the first of train, val, all and test that the data set has",
        {"load": FIRST_SPLIT},
        "split {}",
        unsaid=FIRST_SPLIT,
        option="split",
        chosen_for=("load",),
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
        choice="cache",
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
        unsaid=dict.fromkeys((*NETWORKS, "load"), "fp32"),
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
        "matched: the same work for every competitor; default: every competitor with its own default settings",
        "matched",
        "{} settings",
        unsaid="matched",
        offers="tracks",
    )
    seed: int = axis(
        "seed of the training's order of images and of its flips",
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
    model: ModelRef | None = None

    @property
    def evidence(self) -> str:
        """What kind of evidence a comparison requires: a key of REQUIRED in agreement.py."""
        return OWN_MODEL if self.model else self.workload

    @property
    def key(self) -> str:
        """The case's fields that have a value, as JSON: a name that survives new axes and other words in labels.

        It seeds the order of a run, and links into reports contain it.
        """
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None}, sort_keys=True)

    @property
    def images_a_step(self) -> int:
        """The images of a step, over all its processes."""
        return self.batch_size * ((self.processes or 1) if self.global_batch == "growing" else 1)

    @property
    def subject(self) -> str:
        """The case's network or stage, or else its workload."""
        return self.network or self.stage or self.workload

    @property
    def copies_nothing(self) -> str | None:
        """Why no stage of a loader's pipeline can copy to the GPU as the case asks, or None if it can."""
        if self.gpu_copy in (None, AS_VARIANT) or self.stage == "transfer":
            return None
        return f"gpu_copy {self.gpu_copy}: the stage {self.stage} copies nothing to a GPU; only the stage transfer does"

    def settings(self, *without: str) -> list[str]:
        """The words of a label for all axes except network, stage and the axes `without`."""
        left_out = ("network", "stage", *without)
        words = [axis.said(getattr(self, axis.name), self.workload) for axis in AXES if axis.name not in left_out]
        return [word for word in words if word]

    @property
    def label(self) -> str:
        """The name in lists, such as `train cnn4 32 px batch 32 cpu`. It is unique among the cases of one data set."""
        subject = [name for name in (self.network, self.stage) if name]
        data = [self.dataset.id] if self.dataset else []
        return " ".join([self.workload, *subject, *self.settings(), *data, self.device])


AXES = axes_of(Case)


WAYS = ("loader", "variant")
"""The fields of a competitor that tell the competitors of a framework apart."""


@dataclass(frozen=True, order=True)
class Competitor:
    """A framework in one of its variants, with a loader if the workload reads data.

    `alias` is the label of a program in an A/A run, which runs one program under two labels. `version` is the
    framework's version if the run chose it, so that two versions can compete; empty means the pinned version.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    framework: str
    variant: str
    loader: str = ""
    alias: str = ""
    version: str = ""

    @property
    def program(self) -> str:
        """The framework, with its version if the run chose it: `tensorflow`, `tensorflow@2.16.2`."""
        return f"{self.framework}@{self.version}" if self.version else self.framework

    @property
    def without_alias(self) -> "Competitor":
        """The same competitor without its alias: the program that is measured."""
        return replace(self, alias="") if self.alias else self

    @property
    def label(self) -> str:
        """The name in commands and files: `pytorch/spdl/plain`, `tensorflow@2.16.2/graph`, `pytorch/eager:A`."""
        program = "/".join(part for part in (self.program, self.loader, self.variant) if part)
        return f"{program}:{self.alias}" if self.alias else program

    def called(self, titles: Mapping[str, str], parts: Sequence[str] = WAYS) -> str:
        """The name as people write it, `TensorFlow (graph)`: the framework's title, its version, then these fields."""
        said = {"variant": self.variant, "loader": titles.get(f"{self.framework}/{self.loader}") or self.loader}
        ways = ", ".join(filter(None, (said[part] for part in parts)))
        named = titles.get(self.framework) or self.framework, self.version, ways and f"({ways})", self.alias
        return " ".join(filter(None, named))


@dataclass(frozen=True)
class Block:
    """A replicate's place in the run: block `number` of its case and `position` in the block, both from 0.

    `sequence` counts all replicates of the run in the order in which they started, so that the order can be audited.
    `order_seed` rebuilds the schedule.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    number: int
    position: int
    sequence: int
    order_seed: int
    started_at: str
