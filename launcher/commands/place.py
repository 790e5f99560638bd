"""Where a run is measured: what its replicates may use there, and the engine that starts them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from launcher import gpus, machine, options
from launcher.engines.engine import Engine, Limits
from launcher.engines.selection import select
from launcher.options import Options
from launcher.slurm import scheduler
from launcher.stop import Stop
from launcher.text import say
from runners.harness.run import PlannedCase, Run


@dataclass(frozen=True)
class Place:
    """The engine and the limits that were asked for; an empty value leaves the choice to the machine."""

    engine: str
    device: str
    partition: str
    gpu: str
    cpus: str
    memory_bytes: int
    shm_bytes: int

    @classmethod
    def asked(cls, asked: Options) -> Self:
        """The place of a new run."""
        memory, shm = (int((size or 0) * 2**30) for size in (asked.memory, asked.shm))
        return cls(asked.engine, asked.device, asked.partition, asked.gpu, asked.cpus, memory, shm)

    @classmethod
    def earlier(cls, run: Run) -> Self:
        """The place where a run began, with the CPUs, the GPU and the limits that it began with."""
        device, partition = run.settings.get("device", "cpu"), run.settings.get("partition", "")
        cpus = ",".join(map(str, run.cpus))
        return cls(run.engine, device, partition, run.gpu, cpus, run.memory_bytes, run.shm_bytes)

    @property
    def on_nodes(self) -> bool:
        """Whether the run is measured on the nodes of a cluster."""
        return self.engine in options.ON_NODES

    def limits(self, cases: Sequence[PlannedCase]) -> Limits:
        """What replicates may use. On a cluster a node has its own CPUs and GPUs. Raises NotReady, UsageError."""
        if self.on_nodes:
            scheduler.require(self.partition, self.device)
            return Limits((), self.memory_bytes)
        memory, shm = self.memory_bytes or machine.default_memory(), self.shm_bytes or machine.default_shm()
        gpu = gpus.asked(self.device, self.gpu)
        if gpu:
            say(f"GPU {gpu}")
        return Limits(machine.cpu_set(self.cpus), memory, shm, gpu, gpus.further(gpu, cases))

    def select(self, root: Path, limits: Limits, asked: Options, stop: Stop) -> tuple[Engine, str]:
        """The engine, and the reason for it. Raises NotReady where there is none."""
        return select(root, self.engine, limits, self.device, stop, asked.base_image, asked.extra_index)
