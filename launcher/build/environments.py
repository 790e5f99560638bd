"""The programs' virtual environments in .venvs/, made from the same requirements as their images.

A program with requirements of its own for GPUs has a second environment for them, `.venvs/<program>-gpu`.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path

from launcher.build import sources
from launcher.build.programs import ARGUMENT, index_digest, ingredients, requirement_files, split
from launcher.build.retry import with_retries
from launcher.errors import BuildFailed
from launcher.processes import run_logged
from launcher.stop import Stop
from launcher.text import say
from runners.harness.run import Build

CPU = "cpu"
STAMP_NAME = "levelfield-stamp"
INSTALL_SECONDS = 3600.0
PIP_FLAGS = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")
OTHER_PYTHON = "rm -rf .venv .venvs && make setup PYTHON=python3.11"
"""The commands that make all environments with another interpreter: an existing environment keeps its own."""


class EnvironmentBuilder:
    """Makes environments that are missing or out of date."""

    def __init__(self, root: Path, device: str, stop: Stop, extra_index: str = "") -> None:
        self._root, self._device, self._stop, self._extra_index = root, device, stop, extra_index

    def folder(self, program: str) -> Path:
        """The program's environment for this device."""
        return self._root / ".venvs" / (program if self._kind(program) == CPU else f"{program}-{self._device}")

    def python(self, program: str) -> Path:
        """The program's interpreter."""
        return self.folder(program) / "bin" / "python"

    def is_current(self, program: str) -> bool:
        """Whether the environment was made from these requirements, and from the extra package index if there is one.

        An environment that is a link is never made again: whoever made the link looks after it.
        """
        if not self.python(program).exists():
            return False
        if self.folder(program).is_symlink():
            return True
        requirements, index = _stamp(self.folder(program))
        if requirements != self._digest(program):
            return False
        if self._extra_index:
            return index == index_digest(self._extra_index)
        return self._device == CPU or not index  # another index may have brought builds without CUDA

    def build(self, program: str) -> Build:
        """Make the program's environment, unless it is current. Raises BuildFailed."""
        if not self.is_current(program):
            folder = self.folder(program)
            say(f"setting up .venvs/{folder.name}")
            shutil.rmtree(folder, ignore_errors=True)
            try:
                self._make(program)
                stamp = f"{self._digest(program)}\n{index_digest(self._extra_index)}\n"
                (folder / STAMP_NAME).write_text(stamp, encoding="ascii")
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return self.as_it_is(program)

    def as_it_is(self, program: str) -> Build:
        """The environment with the sources that run in it, as one digest."""
        whole = f"{self._digest(program)}\n{sources.digest(self._root, split(program)[0])}"
        return Build("sha256:" + hashlib.sha256(whole.encode()).hexdigest())

    def _kind(self, program: str) -> str:
        """The device that the environment is made for: the CPU where the requirements are the same for all devices."""
        same = requirement_files(self._root, program, CPU) == requirement_files(self._root, program, self._device)
        return CPU if same else self._device

    def _make(self, program: str) -> None:
        """Make the environment, and install with the host's pip where Debian's Python came without an installer."""
        files = requirement_files(self._root, program, self._device)
        without_pip = not files or importlib.util.find_spec("ensurepip") is None
        if files and without_pip and importlib.util.find_spec("pip") is None:
            remedy = "on Debian or Ubuntu: sudo apt-get install python3-venv"
            raise BuildFailed(f"{sys.executable} has neither ensurepip nor pip; {remedy}")
        flags = ["--without-pip"] if without_pip else []
        self._run([sys.executable, "-m", "venv", *flags, str(self.folder(program))], program)
        if files:
            target = str(self.python(program))
            pip = [sys.executable, "-m", "pip", "--python", target] if without_pip else [target, "-m", "pip"]
            requirements = [word for path in files for word in ("-r", str(path))]
            command = [*pip, "install", *PIP_FLAGS, *self._index_flags(), *requirements]
            with_retries(lambda: self._run(command, program), self._stop)

    def _index_flags(self) -> list[str]:
        # An extra index out of reach is a warning to pip; without retries it costs a second, not a minute.
        without_retries = ["--retries", "0", "--timeout", "15"]
        return [*without_retries, "--extra-index-url", self._extra_index] if self._extra_index else []

    def _run(self, command: list[str], program: str) -> None:
        environment = {**os.environ, ARGUMENT: split(program)[1]}
        code, tail = run_logged(command, self._root, self._stop, INSTALL_SECONDS, f"setting up {program}", environment)
        if code != 0:
            raise BuildFailed(_message(program, tail), tail)

    def _digest(self, program: str) -> str:
        total = hashlib.sha256(sys.version.encode())
        total.update(self._kind(program).encode())
        total.update(split(program)[1].encode())
        for path in ingredients(self._root, program):
            total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return total.hexdigest()


def _message(program: str, tail: str) -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    unmatched = "No matching distribution" in tail or "Requires-Python" in tail
    if unmatched and split(program)[1]:
        return f"{program}: the package index has no such version for Python {version}, or is not reachable"
    if unmatched:
        return (
            f"{program}: a pinned package has no wheel for Python {version}, or the package index is not reachable; "
            f"use ENGINE=docker, or a Python that has one: {OTHER_PYTHON}"
        )
    return f"{program}: its virtual environment could not be made"


def _stamp(folder: Path) -> tuple[str, str]:
    """The digests of the requirements and of the package index that the environment was made with."""
    try:
        lines = (folder / STAMP_NAME).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    return (lines[0] if lines else ""), (lines[1] if len(lines) > 1 else "")
