"""The run: what one `make bench` set out to do, kept beside its records so that a report can name what is missing."""

import dataclasses
import json
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from runners.harness.case import STRICT, Case, Competitor
from runners.harness.files import write_atomically

RUN_VERSION = 1
RUN_NAME = "run.json"


class RunState(StrEnum):
    """Whether the run did all it set out to do; an interrupted run's report is marked INCOMPLETE."""

    RUNNING = "running"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Unavailable:
    """A competitor that a case names but that cannot run it at all, with the reason shown in its cell."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    competitor: Competitor
    kind: str
    reason: str


@dataclass(frozen=True)
class PlannedCase:
    """One case, the competitors to measure on it and how many blocks."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    case: Case
    competitors: list[Competitor]
    blocks: int
    unavailable: list[Unavailable] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """One run. `settings` are the launcher's options as given, for the report and for resuming."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    run_version: int
    run_id: str
    profile: str
    engine: str
    engine_reason: str
    order_seed: int
    started_at: str
    state: RunState
    command: list[str]
    settings: dict[str, str]
    cases: list[PlannedCase]
    warnings: list[str] = field(default_factory=list)


def write_run(run: Run, folder: Path) -> Path:
    """Write `run` into the run's folder, whole or not at all."""
    path = folder / RUN_NAME
    write_atomically(path, (json.dumps(dataclasses.asdict(run), indent=1) + "\n").encode("ascii"))
    return path
