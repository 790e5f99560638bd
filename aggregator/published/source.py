"""Where published figures come from: what the sources of all workloads have in common."""

import csv
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runners.harness.case import Competitor


@dataclass(frozen=True, kw_only=True)
class Source:
    """Who published the figures, how they were measured, and which of our competitors stands for which of theirs.

    `ours` names our competitor for each of their frameworks, its parts joined by slashes. `baseline` is their framework
    that is the divisor of every ratio. `versions` and `devices` are empty where the source names none.
    """

    title: str
    author: str
    publisher: str
    year: int | None = None
    measured: str
    baseline: str
    devices: dict[str, str]
    ours: dict[str, str]
    differences: dict[str, str]
    versions: dict[str, str]

    @classmethod
    def of(cls, kept: Path) -> Self:
        """The source of a file of figures, described in the TOML file next to it."""
        return cls(**tomllib.loads(kept.with_suffix(".toml").read_text("utf-8")))

    def remarks(self) -> tuple[str, ...]:
        """The source, and how its work differs from the equal work that is measured here, in lines."""
        versions = ", ".join(f"{name} is {version}" for name, version in self.versions.items())
        devices = ", ".join(f"{kind.upper()} {name}" for kind, name in self.devices.items())
        told = "; ".join(text for text in (versions, devices, self.measured) if text)
        where = self.publisher if self.year is None else f"{self.publisher}, {self.year}"
        return (
            f"Source: {self.author}, “{self.title}”, {where}. {told}.",
            *(f"Different from our work, {what}: {how}." for what, how in self.differences.items()),
        )

    def stands(self) -> str:
        """Which of our competitors stands for which of their frameworks, in words."""
        return ", ".join(f"{ours} stands for {theirs}" for theirs, ours in self.ours.items())

    def theirs(self, competitor: Competitor) -> str | None:
        """The published framework that a competitor stands for, whatever its version: the label shows the version."""
        parts = (competitor.framework, competitor.loader, competitor.variant)
        name = "/".join(part for part in parts if part)
        return next((theirs for theirs, ours in self.ours.items() if ours == name), None)


def figures(kept: Path) -> list[dict[str, str]]:
    """The rows of a file of figures."""
    with kept.open(newline="", encoding="ascii") as file:
        return list(csv.DictReader(file))
