"""`doctor`: what this machine has and lacks for a run, and what to do about it."""

import errno
import os
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound
from rich.console import Console
from rich.table import Table
from rich.text import Text

from launcher import machine, options
from launcher.build.environments import OTHER_PYTHON, is_ready
from launcher.build.images import tag
from launcher.build.programs import ARGUMENT, requirement_files, split
from launcher.engines.connection import address, connect, require_command
from launcher.errors import ExitCode, NotReady
from launcher.plan.discovery import choose, discover
from launcher.stop import Stop
from runners.harness.host import (
    cgroup_cpu_quota,
    cpu_model,
    governor,
    gpu_and_driver,
    memory_bytes,
    shm_bytes,
    writing_remedy,
)

GIB = 2**30
SHM_WANTED = 1 * GIB
DISK_WANTED = 16 * GIB
INDEX_SECONDS = 30


class Verdict(StrEnum):
    """How a finding bears on a run."""

    OK = "ok"
    NOTE = "note"
    LACKS = "lacks"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, what to do."""

    subject: str
    verdict: Verdict
    found: str
    remedy: str = ""


HELP = "what this machine has and lacks, and what to do about it"


def add(parser: ArgumentParser) -> None:
    """Its options."""
    options.add(parser, "device", "engine", "frameworks", "out")


def run(root: Path, given: Namespace, _stop: Stop) -> int:
    """Print all findings; NOT_READY where no engine could run anything."""
    names = list(choose(root, discover(root), given.frameworks))
    client, engine = _engine(given.engine)
    findings = [
        *_software(),
        engine,
        *_frameworks(root, names, given, client),
        _ffmpeg(root),
        *_processor(),
        *_memory(),
        _gpu(given.device),
        _disk(given.out),
    ]
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("what", "", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    colours = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.LACKS: "red"}
    for one in findings:
        table.add_row(
            Text(one.subject), Text(one.verdict, style=colours[one.verdict]), Text(one.found), Text(one.remedy)
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return ExitCode.NOT_READY if any(one.verdict is Verdict.LACKS for one in findings) else ExitCode.OK


def _engine(wanted: str) -> tuple[docker.DockerClient | None, Finding]:
    try:
        client = connect()
        require_command()
        version = client.version()["Version"]
    except NotReady as error:
        verdict = Verdict.LACKS if wanted == "docker" else Verdict.NOTE
        return None, Finding("Docker engine", verdict, str(error), "" if wanted == "docker" else "ENGINE=venv is used")
    except (DockerException, OSError) as error:
        return None, Finding(
            "Docker engine", Verdict.NOTE, f"{address()[0]}: {error}", "restart it, or use ENGINE=venv"
        )
    return client, Finding("Docker engine", Verdict.OK, f"{version} at {address()[0]}")


def _software() -> Iterator[Finding]:
    yield Finding("Python", Verdict.OK, f"{sys.version.split()[0]} ({sys.executable})")
    if shutil.which("git"):
        yield Finding("git", Verdict.OK, "present")
    else:
        yield Finding("git", Verdict.NOTE, "missing", "records will not name the commit; sudo apt-get install git")
    if shutil.which("docker") is None:
        yield Finding("docker command", Verdict.NOTE, "missing", "it builds the images; install the Docker client")
    elif _answers(["docker", "buildx", "version"]):
        yield Finding("buildx", Verdict.OK, "present")
    else:
        yield Finding("buildx", Verdict.NOTE, "missing", "none needed: the classic builder serves")


def _frameworks(
    root: Path, names: list[str], given: Namespace, client: docker.DockerClient | None
) -> Iterator[Finding]:
    """Each framework's image and environment; a framework that no engine can run here is a lack."""
    device, index = given.device, _Index()
    hopeless = Verdict.LACKS if client is None or given.engine == "venv" else Verdict.NOTE
    for name in names:
        if client is not None:
            yield Finding(
                f"{name}: image",
                Verdict.OK if _has_image(client, name, device) else Verdict.NOTE,
                *_image(client, name, device),
            )
        if is_ready(root, name, device):
            yield Finding(f"{name}: environment", Verdict.OK, f".venvs/{name} is up to date")
            continue
        lacking = _without_wheels(root, name, device, index)
        if lacking:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            found = f"no wheel for Python {version}: {', '.join(lacking)}"
            remedy = "choose another version" if split(name)[1] else f"use ENGINE=docker, or {OTHER_PYTHON}"
            yield Finding(f"{name}: environment", hopeless, found, remedy)
        else:
            yield Finding(
                f"{name}: environment", Verdict.NOTE, "not made yet, or out of date", "make setup ENGINE=venv"
            )


def _has_image(client: docker.DockerClient, name: str, device: str) -> bool:
    try:
        client.images.get(tag(name, device))
    except ImageNotFound:
        return False
    return True


def _image(client: docker.DockerClient, name: str, device: str) -> tuple[str, str]:
    built = _has_image(client, name, device)
    return (tag(name, device), "") if built else (f"{tag(name, device)} is not built yet", "make images")


def _ffmpeg(root: Path) -> Finding:
    """Loaders that decode with FFmpeg take its shared libraries from where they are already."""
    carriers = sorted(
        path.relative_to(root).parts[1] for path in root.glob(".venvs/*/lib/python*/site-packages/av.libs")
    )
    where = f"there in .venvs/{', .venvs/'.join(carriers)}" if carriers else "images and environments bring it"
    return Finding("FFmpeg", Verdict.OK, f"not needed from the system: the av package carries it; {where}")


def _without_wheels(root: Path, name: str, device: str, index: "_Index") -> list[str]:
    """Pinned requirements that the package index offers no file of for this Python; silent where it is out of reach."""
    lacking = []
    for path in requirement_files(root, name, device):
        for package, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", path.read_text(), re.MULTILINE):
            version = version.replace(f"${{{ARGUMENT}}}", split(name)[1])
            offered = index.versions(package)
            if offered and version not in offered:
                lacking.append(f"{package}=={version}")
    return lacking


class _Index:
    """The package index, which is asked no more once it gave no answer."""

    def __init__(self) -> None:
        self._answers = True

    def versions(self, package: str) -> list[str]:
        """What it offers for this Python; nothing where it is out of reach."""
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
    yield Finding("CPUs", Verdict.OK, f"{visible} of {os.cpu_count()} visible, {cpu_model()}")
    quota = cgroup_cpu_quota()
    if quota is not None and quota < visible:
        yield Finding(
            "CPU quota", Verdict.NOTE, f"{quota:g} CPUs' worth", "throttling spoils timings: use a CPU set instead"
        )
    else:
        yield Finding("CPU quota", Verdict.OK, "none")
    rule = governor()
    if rule in (None, "performance"):
        yield Finding("CPU governor", Verdict.OK if rule else Verdict.NOTE, rule or "the kernel shows none")
    else:
        yield Finding("CPU governor", Verdict.NOTE, str(rule), "sudo cpupower frequency-set -g performance")
    if load > 0.5 * visible:
        yield Finding("load", Verdict.NOTE, f"{load:.1f}", "something else runs here; timings will be noisy")
    else:
        yield Finding("load", Verdict.OK, f"{load:.1f}")


def _memory() -> Iterator[Finding]:
    yield Finding("memory", Verdict.OK, f"{memory_bytes() / GIB:.1f} GiB")
    size = shm_bytes() or 0
    shortfall = machine.shm_shortfall(SHM_WANTED)
    if shortfall:
        yield Finding("/dev/shm", Verdict.NOTE, f"{size / GIB:.2f} GiB", shortfall + "; containers have their own")
    else:
        yield Finding("/dev/shm", Verdict.OK, f"{size / GIB:.1f} GiB")


def _gpu(device: str) -> Finding:
    name, driver = gpu_and_driver()
    if name:
        return Finding("GPU", Verdict.OK, f"{name}, driver {driver}")
    if device != "gpu":
        return Finding("GPU", Verdict.OK, "none; DEVICE=cpu needs none")
    return Finding(
        "GPU", Verdict.LACKS, "no NVIDIA GPU answers", "install the driver (nvidia-smi must answer), or use DEVICE=cpu"
    )


def _disk(out: Path) -> Finding:
    folder = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    found = f"{free / GIB:.0f} GiB free"
    if not os.access(folder, os.W_OK):
        error = OSError(errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES, "")
        return Finding("results", Verdict.LACKS, f"{folder} cannot be written to", writing_remedy(folder, error))
    if free < DISK_WANTED:
        return Finding("disk", Verdict.NOTE, found, "images and environments take about 16 GiB")
    return Finding("disk", Verdict.OK, found)


def _answers(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
