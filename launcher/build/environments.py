"""The programs' virtual environments in .venvs/, made from the requirements that their images have."""

import hashlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path

from launcher.build import sources
from launcher.build.programs import ARGUMENT, ingredients, requirement_files, split
from launcher.build.retry import with_retries
from launcher.errors import BuildFailed
from launcher.processes import run_logged
from launcher.stop import Stop
from launcher.text import say

STAMP_NAME = "levelfield-stamp"
INSTALL_SECONDS = 3600.0
OTHER_PYTHON = "rm -rf .venv .venvs && make setup PYTHON=python3.11"
"""Makes all environments again with another interpreter: one that is there keeps its own."""


def python_of(root: Path, program: str) -> Path:
    """The program's interpreter."""
    return root / ".venvs" / program / "bin" / "python"


def is_ready(root: Path, program: str, device: str, extra_index: str = "") -> bool:
    """Whether the environment holds just what the requirements name; one that a person linked in is left to them.

    Any package index will do where none is asked for.
    """
    folder = root / ".venvs" / program
    if not python_of(root, program).exists():
        return False
    if folder.is_symlink():
        return True
    found, index = _stamp(folder)
    return found == _digest(root, program, device) and (not extra_index or sources.index_digest(extra_index) == index)


def build_digest(root: Path, program: str, device: str) -> str:
    """One digest over the environment's contents and the sources that run in it."""
    whole = f"{_digest(root, program, device)}\n{sources.digest(root, split(program)[0])}"
    return "sha256:" + hashlib.sha256(whole.encode()).hexdigest()


def make_environment(root: Path, program: str, device: str, stop: Stop, extra_index: str = "") -> None:
    """Make or update `.venvs/<program>`; nothing to do where its stamp matches. Raises BuildFailed."""
    if is_ready(root, program, device, extra_index):
        return
    folder = root / ".venvs" / program
    say(f"setting up .venvs/{program} for {device}")
    shutil.rmtree(folder, ignore_errors=True)
    files = requirement_files(root, program, device)
    bare = not files or importlib.util.find_spec("ensurepip") is None
    try:
        _run([sys.executable, "-m", "venv", *(["--without-pip"] if bare else []), str(folder)], root, stop, program)
        if files:
            _install(root, program, files, bare, stop, extra_index)
        stamp = f"{_digest(root, program, device)}\n{sources.index_digest(extra_index)}\n"
        (folder / STAMP_NAME).write_text(stamp, encoding="ascii")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _install(root: Path, program: str, files: list[Path], bare: bool, stop: Stop, extra_index: str) -> None:
    """pip install, three tries; the host's own pip where Debian's Python came without one."""
    target = str(python_of(root, program))
    if bare and importlib.util.find_spec("pip") is None:
        raise BuildFailed(
            f"{sys.executable} has neither ensurepip nor pip; on Debian or Ubuntu: sudo apt-get install python3-venv"
        )
    pip = [sys.executable, "-m", "pip", "--python", target] if bare else [target, "-m", "pip"]
    wanted = [word for path in files for word in ("-r", str(path))]
    # An optional index that cannot be reached is a warning to pip; without retries it costs a second, not a minute.
    extra = ["--retries", "0", "--timeout", "15", "--extra-index-url", extra_index] if extra_index else []
    command = [*pip, "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", *extra, *wanted]
    with_retries(lambda: _run(command, root, stop, program), stop)


def _run(command: list[str], root: Path, stop: Stop, program: str) -> None:
    environment = {**os.environ, ARGUMENT: split(program)[1]}
    code, tail = run_logged(command, root, stop, INSTALL_SECONDS, f"setting up {program}", environment)
    if code != 0:
        raise BuildFailed(_message(program, tail), tail)


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
    """(digest of the requirements, digest of the index) that the environment was made with."""
    try:
        lines = (folder / STAMP_NAME).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    return (lines[0] if lines else ""), (lines[1] if len(lines) > 1 else "")


def _digest(root: Path, program: str, device: str) -> str:
    total = hashlib.sha256(sys.version.encode())
    total.update(device.encode())
    total.update(split(program)[1].encode())
    for path in ingredients(root, program):
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()
