"""The run: what one `make bench` set out to do, kept beside its records so that a report can name what is missing."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from runners.harness.case import STRICT, Case, Competitor
from runners.harness.files import write_atomically
from runners.harness.sampling import Sampling

RUN_VERSION = 6
"""1 had another order, and neither pilots nor a stopping rule; 2 stopped on width alone and could not be continued; in
3 all programs of a case shared the longest warm-up of any; up to 4 the order was drawn from the labels of cases; up to
5 a second file held what resuming needs."""
ORDER_SINCE = 5
"""The first version whose order of replicates is the one of today."""
RUN_NAME = "run.json"
PILOTS = "pilots"
"""The folder in a run's where its pilots lie, as a small run of their own."""
MOST_BLOCKS = 100_000
"""Blocks of one run; more would take years."""


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
class Pilot:
    """One pilot: of its `steps`, the first `unsettled` are warm-up; `settled` is False where no end of it was found."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    steps: int
    unsettled: int
    settled: bool


@dataclass(frozen=True)
class Warmup:
    """What a program's pilots of a case fixed for all its replicates there: steps to discard, then to keep at least.

    `competitor` has no alias: the labels of an A/A run share the pilots of their program.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    competitor: Competitor
    pilots: list[Pilot]
    warmup_steps: int
    kept_steps: int


@dataclass(frozen=True)
class PlannedCase:
    """One case, the competitors to measure on it and how many blocks; an adaptive run may add to them.

    `sampling` is the profile's; `warmups` holds what pilots fixed instead, by program. A replicate is given up after
    `timeout` seconds.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    case: Case
    competitors: list[Competitor]
    blocks: int
    unavailable: list[Unavailable] = field(default_factory=list)
    warmups: list[Warmup] = field(default_factory=list)
    sampling: Sampling = field(default_factory=Sampling)
    timeout: float = 600.0

    def warmup(self, competitor: Competitor) -> Warmup | None:
        """What the competitor's pilots fixed."""
        return next((one for one in self.warmups if one.competitor == competitor.without_alias), None)

    def sampling_of(self, competitor: Competitor) -> Sampling:
        """How the competitor's replicates are sampled: as its pilots fixed it, where they did."""
        warmup = self.warmup(competitor)
        if warmup is None:
            return self.sampling
        most = max(self.sampling.max_steps, warmup.kept_steps)
        return Sampling(warmup.warmup_steps, warmup.kept_steps, most, self.sampling.min_seconds)


@dataclass(frozen=True)
class Stopping:
    """How an adaptive run ends: a case gets `every` further blocks at a time, up to `most_blocks`, until each of its
    comparisons is answered or half its interval is within `half_width` (0.02: 2 % of the ratio)."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    most_blocks: int
    every: int
    half_width: float


@dataclass(frozen=True)
class Build:
    """What a program's replicates run from: an image by its id, or a digest of environment and sources."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    id: str
    base: str | None = None


@dataclass(frozen=True)
class Run:
    """One run. `settings` are the launcher's options as given, for the report and for resuming.

    Without `stopping` every case has its fixed number of blocks. With it, `extensions` holds the indices of the cases
    that got further blocks, in that order: with the seed, they rebuild the schedule. `budget_seconds` bounds the time
    spent on measuring: all of it where somebody asked for that, else what comes after the planned blocks. `continued`
    holds how many extensions there were each time that somebody went on with a run that had ended.

    What follows is what replicates are started with. `manifests` names the data set of each workload; a path's bytes
    are kept as Latin-1. `builds` is what each program runs from; `commit` and `dirty` are the state of the sources when
    the run began. `pilots` is how many pilots of each competitor are still to fix its warm-up. `slowdown` is injected
    into the second label of an A/A run.
    """

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
    stopping: Stopping | None = None
    extensions: list[int] = field(default_factory=list)
    continued: list[int] = field(default_factory=list)
    budget_seconds: float | None = None
    cpus: list[int] = field(default_factory=list)
    memory_bytes: int = 0
    manifests: dict[str, str] = field(default_factory=dict)
    builds: dict[str, Build] = field(default_factory=dict)
    commit: str | None = None
    dirty: bool | None = None
    pilots: int = 0
    slowdown: float = 1.0

    @property
    def budget_cuts_planned(self) -> bool:
        """Whether the time budget may end the run before its planned blocks."""
        return self.budget_seconds is not None and cuts_planned(self.stopping, self.settings)

    def blocks(self, case: int) -> int:
        """How many blocks the case with this index has by now."""
        added = self.extensions.count(case) * self.stopping.every if self.stopping else 0
        return self.cases[case].blocks + added


def cuts_planned(stopping: Stopping | None, settings: Mapping[str, str]) -> bool:
    """Whether a time budget bounds planned blocks too: one that was asked for, or in a run that adds none. A profile's
    own would on a slow machine leave every case of an adaptive run without a verdict."""
    return stopping is None or "budget" in settings


def impossible(run: Run) -> str | None:
    """What no run can have planned, in words; to be asked before anything is counted by a file from outside."""
    if any(not 0 <= index < len(run.cases) for index in run.extensions):
        return "extensions: a case that does not exist"
    if run.continued != sorted(run.continued) or any(not 0 <= at <= len(run.extensions) for at in run.continued):
        return "continued: not in the order of the extensions"
    if run.stopping and run.stopping.every < 1:
        return "stopping.every: fewer than one block"
    if run.stopping and not 0 < run.stopping.half_width < math.inf:
        return "stopping.half_width: not a positive number"
    if run.budget_seconds is not None and not 0 < run.budget_seconds < math.inf:
        return "budget_seconds: not a positive number"
    every = range(len(run.cases))
    if any(case.blocks < 0 for case in run.cases) or sum(run.blocks(index) for index in every) > MOST_BLOCKS:
        return f"blocks: not between 0 and {MOST_BLOCKS}"
    return None


def write_run(run: Run, folder: Path) -> Path:
    """Write `run` into the run's folder, whole or not at all."""
    path = folder / RUN_NAME
    write_atomically(path, (json.dumps(dataclasses.asdict(run), indent=1) + "\n").encode("ascii"))
    return path
