"""Published rates of data loaders as values: the ones that this project keeps."""

import csv
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aggregator.published.source import Source

KEPT = Path(__file__).with_name("loaders-spdl-example.csv")


@dataclass(frozen=True)
class LoadSetting:
    """What was loaded: a stage of docs/fairness-data.md, by so many workers."""

    stage: str
    workers: int


@dataclass(frozen=True, kw_only=True)
class LoadSource(Source):
    """A source of rates, all with one batch size."""

    batch_size: int


@cache
def kept_source() -> LoadSource:
    """Where the kept figures come from."""
    return LoadSource(**tomllib.loads(KEPT.with_suffix(".toml").read_text("utf-8")))


@cache
def kept() -> dict[LoadSetting, dict[str, float]]:
    """Images a second of each loader."""
    found: dict[LoadSetting, dict[str, float]] = {}
    with KEPT.open(newline="", encoding="ascii") as file:
        for row in csv.DictReader(file):
            setting = LoadSetting(row["stage"], int(row["workers"]))
            found.setdefault(setting, {})[row["loader"]] = float(row["images_per_second"])
    return found
