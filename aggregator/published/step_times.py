"""Published step times as values, and the published figures that this project keeps."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aggregator.published.source import Source, figures

KEPT = Path(__file__).with_name("step-times-2021.csv")


@dataclass(frozen=True)
class Setting:
    """What was timed. `device` is its kind (cpu, gpu); `input_size` is the side of the square image in pixels."""

    workload: str
    device: str
    network: str
    input_size: int
    batch_size: int


@dataclass(frozen=True)
class StepTime:
    """One cell of a published table, with the framework's name in the source; None where the source has no figure."""

    setting: Setting
    framework: str
    seconds: float | None
    memory_mb: float | None


@dataclass(frozen=True, kw_only=True)
class StepSource(Source):
    """A source of step times: their scope, and why some are missing."""

    no_figure: str
    scope: str


Cells = dict[Setting, dict[str, StepTime]]
"""The cells of each setting by framework."""


def by_setting(times: Iterable[StepTime]) -> Cells:
    """The same, by setting and framework, in their order."""
    found: Cells = {}
    for time in times:
        found.setdefault(time.setting, {})[time.framework] = time
    return found


@cache
def kept_source() -> StepSource:
    """The source of the figures that this project keeps."""
    return StepSource.of(KEPT)


@cache
def kept() -> Cells:
    """The figures that this project keeps."""
    return by_setting(
        StepTime(
            Setting(row["workload"], row["device"], row["network"], int(row["input_size"]), int(row["batch_size"])),
            row["framework"],
            float(row["seconds"]) if row["seconds"] else None,
            float(row["memory_mb"]) if row["memory_mb"] else None,
        )
        for row in figures(KEPT)
    )
