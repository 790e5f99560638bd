"""The plan of a run, stored with its records so that a report can name the missing replicates."""

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

RUN_VERSION = 7
"""Version 1 had another order, no pilots and no stopping rule. Version 2 stopped on width alone and could not be
continued. In version 3 all programs of a case shared the longest warm-up. Up to version 4 the order was drawn from the
labels of the cases. Up to version 5 half of the plan was in a second file.
Version 7 added the user's own model."""
ORDER_SINCE = 5
"""The first version with today's order of replicates."""
RUN_NAME = "run.json"
RUN_BYTES = 32 * 2**20
"""The most bytes of run.json."""
HOSTS_NAME = "hosts.json"
"""Marks the folder whose folders are the runs of several hosts, each with its host's name."""
PILOTS = "pilots"
"""The subfolder of a run's folder with its pilots, which are a small run of their own."""
NOT_TRIED = "NOT TRIED"
"""The kind of an `Unavailable` because a smaller batch of the case ran out of memory."""
MOST_BLOCKS = 100_000
"""The largest number of blocks of a run; more would take years."""


class RunState(StrEnum):
    """Whether the run measured everything that it planned. A report marks an interrupted run as INCOMPLETE."""

    RUNNING = "running"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Unavailable:
    """A competitor that cannot run the case, with the reason that a table shows in its cell."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    competitor: Competitor
    kind: str
    reason: str


@dataclass(frozen=True)
class Pilot:
    """A pilot: the first `unsettled` of its `steps` are warm-up. `settled` is False if the warm-up did not end."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    steps: int
    unsettled: int
    settled: bool


@dataclass(frozen=True)
class Warmup:
    """The sampling that pilots of a program found for all its replicates of a case.

    `warmup_steps` are discarded, then at least `kept_steps` are kept. `competitor` has no alias: both labels of an A/A
    run share the pilots of their program.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    competitor: Competitor
    pilots: list[Pilot]
    warmup_steps: int
    kept_steps: int


@dataclass(frozen=True)
class PlannedCase:
    """A case, its competitors and its number of blocks, to which an adaptive run may add.

    `sampling` comes from the profile. `warmups` has an entry for every program with pilots, which replaces `sampling`.
    A replicate is stopped after `timeout` seconds.
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
        """The sampling that the competitor's pilots found, or None without pilots."""
        return next((warmup for warmup in self.warmups if warmup.competitor == competitor.without_alias), None)

    def sampling_of(self, competitor: Competitor) -> Sampling:
        """The sampling of the competitor's replicates: as its pilots found it, or else the profile's."""
        warmup = self.warmup(competitor)
        if warmup is None:
            return self.sampling
        most = max(self.sampling.max_steps, warmup.kept_steps)
        return Sampling(warmup.warmup_steps, warmup.kept_steps, most, self.sampling.min_seconds)


@dataclass(frozen=True)
class Stopping:
    """How an adaptive run ends.

    A case gets `every` more blocks at a time, up to `most_blocks`, until each of its comparisons has a winner or half
    its interval is at most `half_width` wide (0.02: 2 % of the ratio).
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    most_blocks: int
    every: int
    half_width: float


@dataclass(frozen=True)
class Build:
    """The build that a program's replicates run from: an image id, or a digest of environment and sources.

    `base` is the digest of the image's base, if it has one.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    id: str
    base: str | None = None


@dataclass(frozen=True)
class Run:
    """One run. `settings` are the launcher's options as given, for the report and for resuming.

    Without `stopping` every case has a fixed number of blocks. With `stopping`, `extensions` holds the index of a case
    for each time that a case got more blocks, in order. Together with the seed it rebuilds the schedule.
    `budget_seconds` bounds all measuring if the user set the budget, else the measuring after the planned blocks.
    Each time that a user continues a finished run, `continued` gets the number of extensions up to then.

    Replicates start with the other fields. `gpu` is the UUID of their GPU, empty for a run on CPUs. `manifests` has the
    manifest's path for each workload, its bytes decoded as Latin-1; `model` is the path of the user's own model,
    decoded alike. `builds` has the build of each program. `commit` and `dirty` are the state of the sources when the
    run began. `pilots` is the number of pilots that each competitor still needs. `slowdown` is the factor by which the
    second label of an A/A run is slowed. `titles` has the names of frameworks, and of loaders as `framework/loader`, as
    people write them. `at_once` is the number of blocks that run at the same time, each on a node of a cluster: so many
    cases get further blocks together.
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
    shm_bytes: int = 2**31
    gpu: str = ""
    manifests: dict[str, str] = field(default_factory=dict)
    model: str = ""
    builds: dict[str, Build] = field(default_factory=dict)
    commit: str | None = None
    dirty: bool | None = None
    pilots: int = 0
    slowdown: float = 1.0
    titles: dict[str, str] = field(default_factory=dict)
    at_once: int = 1

    @property
    def budget_cuts_planned(self) -> bool:
        """Whether the time budget may end the run before its planned blocks."""
        return self.budget_seconds is not None and cuts_planned(self.stopping, self.settings)

    def blocks(self, case: int) -> int:
        """How many blocks the case with this index has by now."""
        added = self.extensions.count(case) * self.stopping.every if self.stopping else 0
        return self.cases[case].blocks + added


def cuts_planned(stopping: Stopping | None, settings: Mapping[str, str]) -> bool:
    """Whether a time budget bounds the planned blocks too: if the user set it, or if the run adds no blocks.

    On a slow machine, a profile's own budget would leave every case of an adaptive run without a verdict.
    """
    return stopping is None or "budget" in settings


def impossible(run: Run) -> str | None:
    """Why no run can have this plan, or None. Ask it before anything loops over numbers from an untrusted file."""
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
    if run.at_once < 1:
        return "at_once: fewer than one block"
    every = range(len(run.cases))
    if any(case.blocks < 0 for case in run.cases) or sum(run.blocks(index) for index in every) > MOST_BLOCKS:
        return f"blocks: not between 0 and {MOST_BLOCKS}"
    return None


def write_run(run: Run, folder: Path) -> Path:
    """Write `run` into the run's folder, completely or not at all."""
    path = folder / RUN_NAME
    write_atomically(path, (json.dumps(dataclasses.asdict(run), indent=1) + "\n").encode("ascii"))
    return path
