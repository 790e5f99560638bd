"""The engine without containers: a virtual environment for each program, a fresh process for each replicate."""

import os
from dataclasses import replace
from pathlib import Path

from launcher.build.environments import EnvironmentBuilder
from launcher.engines.engine import Job, Limits, Outcome, Places
from launcher.engines.log import piped
from launcher.engines.provenance import handed_down
from launcher.errors import UsageError
from launcher.gpus import BY_BUS, ORDER, VISIBLE
from launcher.ownership.temporary import require_short_path, temporary_folder
from launcher.processes import run_child
from launcher.stop import Ending, Stop
from runners.harness.host import ALLOCATOR
from runners.harness.run import Build

LIBRARIES = "LD_LIBRARY_PATH"
"""It may change a measurement, but may be needed to run at all: a run that has it says so."""
KEPT_VARIABLES = ("PATH", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", LIBRARIES, ALLOCATOR)
"""All that a replicate inherits: a thread count in the caller's shell would change what one competitor measures."""


class VenvEngine:
    """Runs replicates with `.venvs/<program>/bin/python`."""

    name = "venv"
    shares_host_memory = True

    def __init__(self, root: Path, builder: EnvironmentBuilder, limits: Limits) -> None:
        require_short_path()
        self._root, self._builder, self._limits = root, builder, limits

    def is_ready(self, program: str) -> bool:
        """Whether the program's virtual environment is up to date."""
        return self._builder.is_current(program)

    def prepare(self, program: str) -> Build:
        """Make the program's virtual environment, or leave the one that is up to date."""
        return self._builder.build(program)

    def restore(self, program: str, build: Build) -> None:
        """Go on with the environment and the sources that the run began with."""
        if self._builder.as_it_is(program) != build or not self._builder.is_current(program):
            raise UsageError(f"{program}: sources or environment changed since the run began; start a new run")

    def run(self, job: Job, stop: Stop) -> Outcome:
        """Run one replicate on the run's CPUs."""
        python = str(self._builder.python(job.competitor.program))
        module = [python, "-m", f"runners.{job.competitor.framework}"]
        by_hand = Places("results", str(job.manifest or ""), str(job.data or ""), str(job.model or ""))
        places = replace(by_hand, out=str(job.records.absolute()), compiled=str(job.compiled.absolute()))
        command = [os.path.relpath(python, self._root), *module[1:], *job.case_arguments, *by_hand.arguments()]
        if chosen := self._gpu_variables(python, job):
            command = ["env", *(f"{name}={value}" for name, value in chosen.items()), *command]
        with temporary_folder() as folder, piped(job.log) as log:
            try:
                ended = run_child(
                    [*module, *job.case_arguments, *job.order_arguments, *places.arguments()],
                    self._root,
                    log,
                    stop,
                    job.timeout,
                    self._environment(job, command, folder, chosen),
                    lambda: os.sched_setaffinity(0, self._limits.cpus),
                )
            except (FileNotFoundError, PermissionError) as error:
                return Outcome(Ending.EXITED, None, message=f"{python} does not start ({error.strerror}); make setup")
        return Outcome(ended.ending, ended.code)

    def _gpu_variables(self, python: str, job: Job) -> dict[str, str]:
        """The variables that show CUDA a GPU for each process and, as TensorFlow 2.16 needs, NVIDIA's libraries."""
        gpus = self._limits.gpus_of(job)
        if not gpus:
            return {}
        folders = sorted(Path(python).parents[1].glob("lib/python*/site-packages/nvidia/*/lib"))
        libraries = {LIBRARIES: ":".join(map(str, folders))} if folders else {}
        return {VISIBLE: ",".join(gpu.uuid for gpu in gpus), ORDER: BY_BUS, **libraries}

    def _environment(self, job: Job, command: list[str], folder: Path, chosen: dict[str, str]) -> dict[str, str]:
        kept = {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
        libraries = [folders for part in (chosen, kept) if (folders := part.get(LIBRARIES))]
        return {
            **kept,
            **chosen,
            **({LIBRARIES: ":".join(libraries)} if libraries else {}),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LEVELFIELD_PROVENANCE": handed_down(job, self.name, self._limits.gpu, command),
        }
