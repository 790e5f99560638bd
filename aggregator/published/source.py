"""A published comparison: how its files are read, its settings, and which of our competitors stand for its own."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aggregator.base.case_names import heading
from aggregator.base.text import clean
from runners.harness.case import AXES, Case, Competitor

FOLDER = Path(__file__).parent
FRAMEWORK = "framework"
"""The name of the column that says which framework, or which loader, was measured."""
MEMORY = "memory"
"""The name of the column of memory."""
TITLES = {"steps": "Step times", "fit": "End-to-end trainings on CIFAR-100", "load": "Data loaders"}
"""What the numbers of each source are."""
AXIS = {axis.name: axis for axis in AXES}


@dataclass(frozen=True)
class Column:
    """A column of a file: its heading there, and its name: an axis of a case, FRAMEWORK, or nothing if it is not used.

    `form` is a regular expression, in words `said`; if it has a group, the group is the value. `words` has our word for
    each of theirs that differs. Two columns of one name must agree, unless one of them is empty.
    """

    heading: str
    name: str = ""
    form: str = r".*\S.*"
    said: str = "a name"
    words: Mapping[str, str] = field(default_factory=dict)

    def value(self, text: str) -> str | None:
        """Our word for a cell; None if the cell is not of the form."""
        found = re.fullmatch(self.form, text, re.ASCII)
        word = found[found.re.groups and 1] if found else None
        return None if word is None else self.words.get(word, word)


@dataclass(frozen=True)
class Value:
    """A column of numbers. `ratio` is 1 for a time, -1 for a rate, and 0 for a number of which no ratio is shown.

    `stage` is the stage of our records that is the same time; it is empty for the time that a report compares.
    """

    heading: str
    name: str
    unit: str
    ratio: int = 1
    stage: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Who published the numbers, how they were measured, and how they are laid out.

    The settings of a number are its `parts`, which have a table each, and its `rows`. A figure has a panel for each
    value of `panel`; it shows the value `drawn`, or the ratio to the baseline. A framework chose the setting `own` by
    itself where it is empty.

    `baseline` is their framework with which every other is compared. `ours` names, for each of their frameworks, those
    of our competitors that stand for it. Cases of ours must have the settings `fixed`, and should have those `noted`.
    """

    name: str
    files: tuple[str, ...]
    separator: str = ","
    none: str | None = None
    columns: tuple[Column, ...]
    values: tuple[Value, ...]
    parts: tuple[str, ...] = ()
    rows: tuple[str, ...]
    panel: str
    drawn: str = ""
    own: str = ""
    title: str
    author: str
    publisher: str
    year: int | None = None
    measured: str
    no_number: str = ""
    memory: str = ""
    images: int | None = None
    baseline: str
    versions: dict[str, str]
    devices: dict[str, str]
    ours: dict[str, list[str]]
    fixed: dict[str, Any]
    noted: dict[str, Any]
    differences: dict[str, str]

    @property
    def settings(self) -> tuple[str, ...]:
        """The axes whose values identify a number, together with the framework."""
        return self.parts + self.rows

    @property
    def paths(self) -> list[Path]:
        """The stored files."""
        return [FOLDER / name for name in self.files]

    def title_of(self, part: tuple[str, ...]) -> str:
        """A part in words: `Training step, GPU`; empty where the source has only one."""
        words = ", ".join(map(shown, self.parts, part))
        return words[:1].upper() + words[1:]

    def remarks(self) -> tuple[str, ...]:
        """The source, and how its work differs from the equal work that is measured here, in lines."""
        versions = ", ".join(f"{name} is {version}" for name, version in self.versions.items())
        devices = ", ".join(f"{kind.upper()} {name}" for kind, name in self.devices.items())
        told = (("Versions", versions), ("Machines", devices), ("Measured", self.measured))
        where = self.publisher if self.year is None else f"{self.publisher}, {self.year}"
        return (
            " ".join([f"Source: {self.author}, “{self.title}”, {where}.", *(f"{a}: {b}." for a, b in told if b)]),
            *([f"{self.memory}."] if self.memory else []),
            *(f"Different from our work, {what}: {how}." for what, how in self.differences.items()),
        )

    def stands(self) -> str:
        """Which of our competitors stand for which of their frameworks, in words."""
        return " ".join(
            f"{' and '.join(ours)} stand{'s' * (len(ours) == 1)} for {theirs}." for theirs, ours in self.ours.items()
        )

    def theirs(self, competitor: Competitor) -> str | None:
        """The published framework that a competitor stands for, whatever its version; none in an A/A run."""
        name = "/".join(part for part in (competitor.framework, competitor.loader, competitor.variant) if part)
        known = {one: theirs for theirs, ours in self.ours.items() for one in ours}
        return None if competitor.alias else known.get(name)

    def setting(self, case: Case) -> tuple[str, ...] | None:
        """The published setting that a case has; None if its other settings are not those of the source."""
        if any(getattr(case, name) != value for name, value in self.fixed.items()):
            return None
        return tuple(_text(getattr(case, name)) for name in self.settings)


def source(file: str, **layout: Any) -> Source:
    """A source described in a TOML file, with the layout of its numbers."""
    return Source(**tomllib.loads((FOLDER / file).read_text("utf-8")), **layout)


def column(name: str) -> str:
    """The heading of a setting's column."""
    return AXIS[name].column if name in AXIS else name


def shown(name: str, value: str) -> str:
    """The value of a setting as a table has it."""
    if name == "workload":
        return heading(value)
    if name == "augment":
        return {"yes": "augmented", "no": "not augmented"}[value]
    if name == "device":
        return value.upper()
    return f"{clean(value, 60)} {AXIS[name].unit}".rstrip() if value else "its own"


def worded(name: str, value: str) -> str:
    """The same without a heading beside it: `workers 5`, `no cache`."""
    word = AXIS[name].word.format(clean(value, 60) or "its own")
    return f"no {word}" if AXIS[name].kind is bool and value == "no" else word


def _text(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else "" if value is None else str(value)


WHOLE = ("[1-9][0-9]{0,6}", "a whole number above 0")
NETWORKS = {
    "mobilenetv2": "mobilenet_v2",
    "efficientnetb0": "efficientnet_b0",
    "efficientnetb4": "efficientnet_b4",
    "efficientnetb7": "efficientnet_b7",
}
MODE = ("train|inference_cpu|inference_gpu", "train, inference_cpu or inference_gpu")

INDICES = {str(index): "gpu" for index in range(100)}

STEPS = source(
    "step-times-2021.toml",
    name="steps",
    files=tuple(f"step-times-2021-{mode}.csv" for mode in ("train", "inference_gpu", "inference_cpu")),
    separator=";",
    none="-",
    columns=(
        Column("", form=".*"),
        Column("Framework", FRAMEWORK),
        Column("Architecture", "network", words=NETWORKS),
        Column("Input size", "input_size", r"\(([1-9][0-9]{0,4}), \1, 3\)", "of the form '(224, 224, 3)'"),
        Column("Batch size", "batch_size", *WHOLE),
        Column("Mode", "workload", *MODE, {"inference_cpu": "infer", "inference_gpu": "infer"}),
        Column("Mode", "device", *MODE, {"inference_cpu": "cpu", "inference_gpu": "gpu", "train": ""}),
        Column("GPU index", "device", "[0-9]{0,2}", "empty or a whole number", {"": "cpu"} | INDICES),
    ),
    values=(Value("Time", "time", "s"), Value("Memory", MEMORY, "MB", ratio=0)),
    parts=("workload", "device"),
    rows=("network", "input_size", "batch_size"),
    panel="network",
)
FLAG = ("yes|no|True|False", "yes or no", {"True": "yes", "False": "no"})
FIT = source(
    "cifar100-fit-2025.toml",
    name="fit",
    files=("cifar100-fit-2025.csv",),
    columns=(
        Column("device", "device", r".*\((cpu|gpu)\)", "a name with (cpu) or (gpu)"),
        Column("augment", "augment", *FLAG),
        Column("framework", FRAMEWORK),
        Column("batch_size", "batch_size", *WHOLE),
        Column("num_workers", "workers", "[0-9]{1,4}|NA", "a whole number or NA", {"NA": ""}),
        Column("cache", "cache", *FLAG),
    ),
    values=(Value("training_s", "training", "s"), Value("evaluation_s", "evaluation", "s", stage="evaluate")),
    parts=("device", "augment"),
    rows=("batch_size", "workers", "cache"),
    panel="batch_size",
    drawn="training",
    own="workers",
)
LOAD = source(
    "dataload-spdl-example.toml",
    name="load",
    files=("dataload-spdl-example.csv",),
    columns=(
        Column("loader", FRAMEWORK),
        Column(
            *("stage", "stage", r"decode\+resize|\+batch|\+normalize|\+transfer", "a stage of the example"),
            {"decode+resize": "decode", "+batch": "batch", "+normalize": "normalize", "+transfer": "transfer"},
        ),
        Column("num_workers", "workers", *WHOLE),
    ),
    values=(Value("images_per_s", "images/s", "/s", ratio=-1),),
    rows=("stage", "workers"),
    panel="stage",
    drawn="images/s",
)
SOURCES = (STEPS, FIT, LOAD)
