"""`doctor`: shows what this machine has and lacks for a run, and what to do about it."""

import errno
import os
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound
from rich.console import Console
from rich.table import Table

from launcher import machine, options
from launcher.build.environments import OTHER_PYTHON, EnvironmentBuilder
from launcher.build.images import tag
from launcher.build.programs import ARGUMENT, requirement_files, split
from launcher.commands.doctor_gpu import findings as of_gpus
from launcher.commands.finding import Finding
from launcher.engines.connection import address, connect, require_command
from launcher.engines.facts import is_podman, limits_remedy, security, unlimited
from launcher.errors import ExitCode, NotReady
from launcher.plan.discovery import choose, discover
from launcher.stop import Stop
from runners.harness.energy import READABLE, zones
from runners.harness.host import (
    cgroup_cpu_quota,
    cpu_model,
    governor,
    memory_bytes,
    shm_bytes,
    writing_remedy,
)

GIB = 2**30
SHM_WANTED = 1 * GIB
DISK_WANTED = 16 * GIB
INDEX_SECONDS = 30


HELP = "what this machine has and lacks, and what to do about it"


def add(parser: ArgumentParser) -> None:
    """Its options."""
    options.add(parser, "device", "engine", "frameworks", "out", "gpu")


def run(root: Path, given: Namespace, stop: Stop) -> int:
    """Print all findings; NOT_READY where no engine could run anything."""
    programs = list(choose(root, discover(root), given.frameworks))
    client, engine = _engine(given.engine)
    findings = [
        *_software(),
        engine,
        *_limits(client, given.engine),
        *_programs(root, programs, given, client, stop),
        _ffmpeg(root),
        *_processor(),
        *_memory(),
        *of_gpus(root, programs, given.device, given.gpu, None if given.engine == "venv" else client),
        _energy(),
        _disk(given.out),
    ]
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("what", "", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(*finding.cells())
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return ExitCode.NOT_READY if any(finding.lacks for finding in findings) else ExitCode.OK


def _engine(wanted: str) -> tuple[docker.DockerClient | None, Finding]:
    try:
        client = connect()
        require_command()
        kind = "Podman" if is_podman(client) else "Docker"
        mode = ", rootless" if "rootless" in security(client.info()) else ""
        return client, Finding("Docker engine", f"{kind} {client.version()['Version']} at {address()[0]}{mode}")
    except NotReady as error:
        needed = wanted == "docker"
        return None, Finding("Docker engine", str(error), "" if needed else "ENGINE=venv is used", lacks=needed)
    except (DockerException, OSError) as error:
        return None, Finding("Docker engine", f"{address()[0]}: {error}", "restart it, or use ENGINE=venv")


def _limits(client: docker.DockerClient | None, wanted: str) -> Iterator[Finding]:
    """What a container cannot be kept from using: a rootless engine may have no control groups."""
    facts = client.info() if client is not None else {}
    if lacking := unlimited(facts):
        found = f"the engine cannot limit a container's {' and '.join(lacking)}"
        yield Finding("container limits", found, limits_remedy(facts), lacks=wanted == "docker")


def _software() -> Iterator[Finding]:
    yield Finding("Python", f"{sys.version.split()[0]} ({sys.executable})")
    if shutil.which("git"):
        yield Finding("git", "present")
    else:
        yield Finding("git", "missing", "records will not name the commit; sudo apt-get install git")
    if shutil.which("docker") is None:
        yield Finding("docker command", "missing", "it builds the images; install the Docker client")
    elif _answers(["docker", "buildx", "version"]):
        yield Finding("buildx", "present")
    else:
        yield Finding("buildx", "missing", "none needed: the classic builder serves")


def _programs(
    root: Path, programs: list[str], given: Namespace, client: docker.DockerClient | None, stop: Stop
) -> Iterator[Finding]:
    """Each program's image and environment; a program that no engine can run here is a lack."""
    index, environments = _Index(), EnvironmentBuilder(root, given.device, stop)
    for program in programs:
        if client is not None:
            image = tag(program, given.device)
            yield (
                Finding(f"{program}: image", image)
                if _has_image(client, image)
                else Finding(f"{program}: image", f"{image} is not built yet", "make images")
            )
        environment = f"{program}: environment"
        if environments.is_current(program):
            yield Finding(environment, f".venvs/{environments.folder(program).name} is up to date")
        elif lacking := _without_wheels(root, program, given.device, index):
            found = f"no wheel for Python {sys.version_info.major}.{sys.version_info.minor}: {', '.join(lacking)}"
            remedy = "choose another version" if split(program)[1] else f"use ENGINE=docker, or {OTHER_PYTHON}"
            yield Finding(environment, found, remedy, lacks=client is None or given.engine == "venv")
        else:
            yield Finding(environment, "not made yet, or out of date", "make setup ENGINE=venv")


def _has_image(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _ffmpeg(root: Path) -> Finding:
    """Loaders that decode with FFmpeg find its shared libraries in the av package."""
    carriers = sorted(
        path.relative_to(root).parts[1] for path in root.glob(".venvs/*/lib/python*/site-packages/av.libs")
    )
    where = f"there in .venvs/{', .venvs/'.join(carriers)}" if carriers else "images and environments bring it"
    return Finding("FFmpeg", f"not needed from the system: the av package carries it; {where}")


def _without_wheels(root: Path, name: str, device: str, index: "_Index") -> list[str]:
    """Pinned requirements without a file for this Python in the package index; none where the index is out of reach."""
    lacking = []
    for path in requirement_files(root, name, device):
        for package, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", path.read_text(), re.MULTILINE):
            version = version.replace(f"${{{ARGUMENT}}}", split(name)[1])
            offered = index.versions(package)
            if offered and version not in offered:
                lacking.append(f"{package}=={version}")
    return lacking


class _Index:
    """The package index. Once it gives no answer, it is not asked again."""

    def __init__(self) -> None:
        self._answers = True

    def versions(self, package: str) -> list[str]:
        """The versions of a package for this Python; none where the index is out of reach."""
        if not self._answers:
            return []
        options = ["--retries", "0", "--timeout", "10", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "index", "versions", *options, package]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=INDEX_SECONDS, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            self._answers = False
            return []
        match = re.search(r"Available versions: (.*)", answer)
        return match[1].split(", ") if match else []


def _processor() -> Iterator[Finding]:
    visible, load = len(machine.visible_cpus()), os.getloadavg()[0]
    yield Finding("CPUs", f"{visible} of {os.cpu_count()} visible, {cpu_model()}")
    quota = cgroup_cpu_quota()
    if quota is not None and quota < visible:
        yield Finding("CPU quota", f"{quota:g} CPUs' worth", "throttling spoils timings: use a CPU set instead")
    else:
        yield Finding("CPU quota", "none")
    setting = governor()
    spoils = setting not in (None, "performance")
    remedy = "sudo cpupower frequency-set -g performance" if spoils else ""
    yield Finding("CPU governor", setting or "the kernel shows none", remedy)
    busy = load > 0.5 * visible
    yield Finding("load", f"{load:.1f}", "something else runs here; timings will be noisy" if busy else "")


def _memory() -> Iterator[Finding]:
    yield Finding("memory", f"{memory_bytes() / GIB:.1f} GiB")
    shortfall = machine.shm_shortfall(SHM_WANTED)
    remedy = f"{shortfall}; containers have their own" if shortfall else ""
    yield Finding("/dev/shm", f"{(shm_bytes() or 0) / GIB:.2f} GiB", remedy)


def _energy() -> Finding:
    counters, unknown = zones()
    if counters:
        return Finding("energy counters", ", ".join(counter.name for counter in counters))
    remedy = f"{READABLE} (until the next boot), if you trust all users of this machine" if READABLE in unknown else ""
    return Finding("energy counters", "locked: only root may read them" if remedy else unknown, remedy)


def _disk(out: Path) -> Finding:
    folder = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        error = OSError(errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES, "")
        return Finding("results", f"{folder} cannot be written to", writing_remedy(folder, error), lacks=True)
    remedy = "images and environments take about 16 GiB" if free < DISK_WANTED else ""
    return Finding("disk", f"{free / GIB:.0f} GiB free", remedy)


def _answers(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
