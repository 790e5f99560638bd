"""Published times of end-to-end trainings as values: the ones that this project keeps."""

import csv
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aggregator.published.source import Source

KEPT = Path(__file__).with_name("cifar100-fit-2025.csv")


@dataclass(frozen=True)
class FitSetting:
    """What was trained. `device` is its kind; `workers` is None where the framework's loader has no such number."""

    device: str
    augment: bool
    batch_size: int
    workers: int | None
    cache: bool


@dataclass(frozen=True)
class FitTime:
    """Seconds of a training of the source's epochs, and of evaluating its test images once."""

    training: float
    evaluation: float


@dataclass(frozen=True, kw_only=True)
class FitSource(Source):
    """A source of training times: all of `epochs` epochs of `items` images."""

    epochs: int
    items: int


@cache
def kept_source() -> FitSource:
    """Where the kept figures come from."""
    return FitSource(**tomllib.loads(KEPT.with_suffix(".toml").read_text("utf-8")))


@cache
def kept() -> dict[str, dict[FitSetting, FitTime]]:
    """The kept figures of each framework."""
    found: dict[str, dict[FitSetting, FitTime]] = {}
    with KEPT.open(newline="", encoding="ascii") as file:
        for row in csv.DictReader(file):
            setting = FitSetting(
                row["device"],
                row["augment"] == "yes",
                int(row["batch_size"]),
                int(row["workers"]) if row["workers"] else None,
                row["cache"] == "yes",
            )
            times = FitTime(float(row["training_seconds"]), float(row["evaluation_seconds"]))
            found.setdefault(row["framework"], {})[setting] = times
    return found
