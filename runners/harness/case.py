"""What is measured: a case, the competitors that run it, and where a replicate stands in the order.

The identity of a measurement is these frozen values; it is never parsed out of a file name.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from operator import itemgetter
from typing import Any, ClassVar

STRICT = {"extra": "forbid", "strict": True, "allow_inf_nan": False}
"""How strictly a loader (pydantic) reads these dataclasses: no unknown key, no coercion, finite numbers."""


USUAL_SEED = 25
_KEPT = "_hash"


@cache
def _values(kind: Any) -> Callable[[dict[str, object]], object]:
    return itemgetter(*(field.name for field in fields(kind)))


class KeptHash:
    """A hash computed once, since a report looks up the case of every record many times.

    A dataclass names it in its own body, or makes one of its own. Another process may hash otherwise, so that it is
    left behind where the value is sent there.
    """

    def __hash__(self) -> int:
        kept = self.__dict__
        if _KEPT not in kept:
            kept[_KEPT] = hash(_values(type(self))(kept))  # type: ignore[arg-type]
        found: int = kept[_KEPT]
        return found

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != _KEPT}


@dataclass(frozen=True)
class DatasetRef:
    """The data a case reads: `digest` covers every path, label and byte of the split used."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    id: str
    digest: str
    items: int
    bytes: int


@dataclass(frozen=True)
class Case(KeptHash):
    """A workload with all its parameters fixed, less framework, variant and loader.

    Competitors are compared on a case. A parameter that a workload does not have is None.
    `input_size` is the side of the square image in pixels.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    workload: str
    device: str
    batch_size: int
    seed: int
    track: str = "matched"
    precision: str = "fp32"
    network: str | None = None
    input_size: int | None = None
    scope: str | None = None
    stage: str | None = None
    workers: int | None = None
    cache: bool | None = None
    augment: bool | None = None
    epochs: int | None = None
    test_each_epoch: bool | None = None
    dataset: DatasetRef | None = None

    __hash__ = KeptHash.__hash__

    @property
    def label(self) -> str:
        """The name in tables: `train cnn4 32px batch 32 fp32 cpu`; unique among the cases of one data set."""
        flags = {True: "on", False: "off", None: ""}
        parts = [
            self.workload,
            self.network or "",
            self.stage or "",
            f"{self.input_size}px" if self.input_size else "",
            f"batch {self.batch_size}",
            f"workers {self.workers}" if self.workers is not None else "",
            f"cache {flags[self.cache]}" if self.cache is not None else "",
            f"augment {flags[self.augment]}" if self.augment is not None else "",
            f"epochs {self.epochs}" if self.epochs is not None else "",
            "tested each epoch" if self.test_each_epoch else "",
            self.dataset.id if self.dataset else "",
            self.precision,
            self.scope if self.scope not in (None, "compute") else "",
            self.track if self.track != "matched" else "",
            f"seed {self.seed}" if self.seed != USUAL_SEED else "",
            self.device,
        ]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, order=True)
class Competitor(KeptHash):
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

    __hash__ = KeptHash.__hash__

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
