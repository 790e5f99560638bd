"""What starts a replicate. An engine is one file behind this small interface."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from launcher.stop import Ending, Stop
from runners.harness.case import Competitor
from runners.harness.run import Build


@dataclass(frozen=True)
class Job:
    """One replicate to start: `case_arguments` say what is measured, `order_arguments` where it stands.

    `compiled` is where the run keeps compiled code from replicate to replicate.
    """

    run_id: str
    record_id: str
    competitor: Competitor
    case_arguments: list[str]
    order_arguments: list[str]
    records: Path
    compiled: Path
    log: Path
    device: str
    timeout: float
    manifest: Path | None = None
    data: Path | None = None
    provenance: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Places:
    """Where an engine puts the folders of a replicate, as the runner sees them."""

    out: str
    manifest: str = ""
    data: str = ""
    compiled: str = ""

    def arguments(self) -> list[str]:
        """The options that name them."""
        named = (
            ("--manifest", self.manifest),
            ("--data", self.data),
            ("--compiler-cache", self.compiled),
            ("--out", self.out),
        )
        return [word for option, value in named if value for word in (option, value)]


@dataclass(frozen=True)
class Limits:
    """What every replicate of a run may use, the same in every engine."""

    cpus: tuple[int, ...]
    memory_bytes: int


@dataclass(frozen=True)
class Outcome:
    """How a replicate's process ended; `code` is negative for a signal, None where nobody can know."""

    ending: Ending
    code: int | None
    out_of_memory: bool = False
    message: str = ""


class Engine(Protocol):
    """Prepares programs (`tensorflow`, `tensorflow@2.16.2`) and runs replicates, one at a time."""

    name: str
    shares_host_memory: bool
    """Whether replicates use this machine's own memory and /dev/shm, under no limit of theirs."""

    def is_ready(self, program: str) -> bool:
        """Whether preparing the program would find all done."""

    def prepare(self, program: str) -> Build:
        """Make the program runnable, or raise BuildFailed; cheap where that was done before."""

    def restore(self, program: str, build: Build) -> None:
        """Take up what an earlier launcher's `prepare` gave, or raise UsageError where that is no more."""

    def run(self, job: Job, stop: Stop) -> Outcome:
        """Run one replicate to its end, deadline or interruption, and leave no process of it behind."""
