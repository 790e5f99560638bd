"""The engine of a cluster with containers: each replicate runs in a fresh container of Apptainer.

Apptainer needs no daemon and no root. What Docker does in another way, or Apptainer cannot do, is in docs/clusters.md.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from launcher.build.sifs import SifBuilder, command
from launcher.engines.docker import COMPILED, INSIDE, MODEL
from launcher.engines.engine import Job, Limits, Outcome, Places
from launcher.engines.log import piped
from launcher.engines.provenance import handed_down
from launcher.engines.venv import LIBRARIES
from launcher.errors import NotReady, UsageError
from launcher.gpus import BY_BUS, ORDER, VISIBLE
from launcher.ownership.temporary import temporary_folder
from launcher.processes import run_child
from launcher.stop import Ending, Stop
from runners.harness.host import ALLOCATOR
from runners.harness.run import Build

ISOLATED = ("--containall", "--cleanenv", "--no-privs", "--net", "--network", "none", "--pwd", "/levelfield")
"""Namespaces, variables, capabilities and network of its own; the image's root file system is read-only."""
KEPT_VARIABLES = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", LIBRARIES)
"""What Apptainer itself inherits: its own variables would mount or set more in the container. None reaches a runner."""
NOT_STARTED = 255
"""Apptainer's exit code where it could not start the container."""


class ApptainerEngine:
    """On the machine that submits, it prepares the images; on a node, it runs the replicates of a block."""

    name = "slurm-apptainer"
    shares_host_memory = True

    def __init__(self, root: Path, builder: SifBuilder, limits: Limits) -> None:
        self._command = command()
        self._root, self._builder, self._limits = root, builder, limits
        self._images: dict[str, tuple[Path, Build]] = {}

    def is_ready(self, program: str) -> bool:
        """Whether the program's image is up to date."""
        return self._builder.is_current(program)

    def prepare(self, program: str) -> Build:
        """Make the program's image where its sources changed, and remember it."""
        build = self._builder.build(program)
        self.restore(program, build)
        return build

    def restore(self, program: str, build: Build) -> None:
        """Use the image that the run began with, whatever the sources are by now."""
        path = self._builder.find(program, build)
        if path is None:
            raise UsageError(f"{program}: the image that the run began with is gone ({build.id}); start a new run")
        self._images[program] = path, build

    def run(self, job: Job, stop: Stop) -> Outcome:
        """Run one replicate in a container of its own, on the run's CPUs."""
        with temporary_folder() as folder:
            with piped(job.log) as log:
                ended = run_child(
                    self._words(job, folder),
                    self._root,
                    log,
                    stop,
                    job.timeout,
                    {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
                    lambda: os.sched_setaffinity(0, self._limits.cpus),
                )
            if ended.ending is Ending.EXITED and ended.code == NOT_STARTED and (reason := _fatal(job.log)):
                raise NotReady(f"{self._command} cannot start a container: {reason}")
        return Outcome(ended.ending, ended.code)

    def _words(self, job: Job, folder: Path) -> list[str]:
        """The command line. Links stand in for the folders, whose names may have the commas and colons of --bind."""
        image, build = self._images[job.competitor.program]
        bound = [(job.records, INSIDE.out, "rw"), (job.compiled, COMPILED, "rw")]
        places = Places(INSIDE.out)
        if job.manifest and job.data:
            bound += [(job.data, INSIDE.data, "ro"), (job.manifest.parent, str(Path(INSIDE.manifest).parent), "ro")]
            places = INSIDE
        if job.model:
            bound.append((job.model.path.parent, MODEL, "ro"))
            places = replace(places, model=str(replace(job.model, path=Path(MODEL, job.model.path.name))))
        module = ["python", "-m", f"runners.{job.competitor.framework}", *job.case_arguments]
        gpus = self._limits.gpus_of(job)
        options = [*ISOLATED, *(["--nv"] if gpus else [])]
        variables = {VISIBLE: ",".join(gpu.uuid for gpu in gpus), ORDER: BY_BUS} if gpus else {}
        # Nothing compiled by other replicates: by hand the case stands alone.
        by_hand = [
            *(self._command, "exec", *options),
            *_binds((str(source.absolute()), target, mode) for source, target, mode in bound if target != COMPILED),
            *(os.path.relpath(image, self._root), *_with(variables), *module, *places.arguments()),
        ]
        facts = handed_down(
            *(job, self.name, self._limits.gpu, by_hand), image_id=build.id, image_base_digest=build.base
        )
        variables |= {"LEVELFIELD_PROVENANCE": facts, "PYTHONDONTWRITEBYTECODE": "1"}
        variables |= {ALLOCATOR: told} if (told := os.environ.get(ALLOCATOR)) else {}
        linked = [(_link(folder, source, target), target, mode) for source, target, mode in bound]
        home = folder / "home"
        home.mkdir()
        return [
            *(self._command, "exec", *options, "--home", f"{home}:/tmp", *_binds(linked), str(image)),
            # `env`, since Apptainer has a shell read the variables that it is given itself.
            *(*_with(variables), *module, *job.order_arguments),
            *replace(places, compiled=COMPILED).arguments(),
        ]


def _binds(bound: Iterable[tuple[str, str, str]]) -> list[str]:
    return [word for one in bound for word in ("--bind", ":".join(one))]


def _with(variables: dict[str, str]) -> list[str]:
    return ["env", *(f"{name}={value}" for name, value in variables.items())] if variables else []


def _link(folder: Path, source: Path, target: str) -> str:
    link = folder / target.strip("/")
    link.symlink_to(source.absolute())
    return str(link)


def _fatal(log: Path) -> str:
    """Why Apptainer gave up, as the last line of the log says; empty where another program wrote that."""
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("FATAL:").strip() if lines and lines[-1].startswith("FATAL:") else ""
