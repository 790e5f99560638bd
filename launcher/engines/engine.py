"""The interface of an engine, which starts replicates."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from launcher.stop import Ending, Stop
from runners.harness.case import Competitor
from runners.harness.nvidia import Gpu
from runners.harness.own_model import OwnModel
from runners.harness.run import Build


@dataclass(frozen=True)
class Job:
    """One replicate to start. `case_arguments` say what it measures, `order_arguments` its place in the run.

    In `compiled` the run keeps compiled code from replicate to replicate. The replicate starts `processes`.
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
    model: OwnModel | None = None
    provenance: dict[str, object] = field(default_factory=dict)
    processes: int = 1


@dataclass(frozen=True)
class Places:
    """The folders of a replicate, as its runner sees them."""

    out: str
    manifest: str = ""
    data: str = ""
    model: str = ""
    compiled: str = ""

    def arguments(self) -> list[str]:
        """The options that name them."""
        named = (
            ("--manifest", self.manifest),
            ("--data", self.data),
            ("--model", self.model),
            ("--compiler-cache", self.compiled),
            ("--out", self.out),
        )
        return [word for option, value in named if value for word in (option, value)]


@dataclass(frozen=True)
class Limits:
    """What every replicate of a run may use, in every engine: CPUs, memory, a container's /dev/shm, one GPU or none.

    `more_gpus` are for the further processes of a replicate.
    """

    cpus: tuple[int, ...]
    memory_bytes: int
    shm_bytes: int = 2**31
    gpu: Gpu | None = None
    more_gpus: tuple[Gpu, ...] = ()

    def gpus_of(self, job: Job) -> list[Gpu]:
        """A GPU for each process of a replicate, as far as there are enough of them."""
        return [self.gpu, *self.more_gpus][: job.processes] if self.gpu else []


@dataclass(frozen=True)
class Outcome:
    """How a replicate's process ended; `code` is negative for a signal, None where it is unknown."""

    ending: Ending
    code: int | None
    out_of_memory: bool = False
    message: str = ""


class Engine(Protocol):
    """Prepares programs (`tensorflow`, `tensorflow@2.16.2`) and runs replicates, one at a time."""

    name: str
    shares_host_memory: bool
    """Whether replicates share this machine's memory and /dev/shm, without a limit."""

    def is_ready(self, program: str) -> bool:
        """Whether the program is prepared already."""

    def prepare(self, program: str) -> Build:
        """Make the program runnable, or raise BuildFailed; quick where it is prepared already."""

    def restore(self, program: str, build: Build) -> None:
        """Use the build of an earlier launcher, or raise UsageError where it no longer exists."""

    def run(self, job: Job, stop: Stop) -> Outcome:
        """Run one replicate until it ends, is late or is interrupted, and leave no process of it behind."""
