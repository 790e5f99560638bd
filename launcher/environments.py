"""The frameworks' virtual environments in .venvs/, made from the requirements beside each Dockerfile."""

import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path

from launcher import sources
from launcher.children import run_logged
from launcher.errors import BuildFailed
from launcher.retry import is_transient, tries
from launcher.stop import Stop

STAMP_NAME = "levelfield-stamp"
INSTALL_SECONDS = 3600.0
OTHER_PYTHON = "rm -rf .venv .venvs && make setup PYTHON=python3.11"
"""Makes all environments again with another interpreter: one that is there keeps its own."""


def python_of(root: Path, framework: str) -> Path:
    """The framework's interpreter."""
    return root / ".venvs" / framework / "bin" / "python"


def requirement_files(root: Path, framework: str, device: str) -> list[Path]:
    """The framework's requirements that exist: those of every device, then those of this one."""
    folder = root / "images" / framework
    return [path for path in (folder / "requirements.txt", folder / f"requirements-{device}.txt") if path.is_file()]


def is_ready(root: Path, framework: str, device: str, extra_index: str = "") -> bool:
    """Whether the environment holds just what the requirements name; one that a person linked in is left to them.

    Any package index will do where none is asked for.
    """
    folder = root / ".venvs" / framework
    if not python_of(root, framework).exists():
        return False
    if folder.is_symlink():
        return True
    found, index = _stamp(folder)
    return found == _digest(root, framework, device) and (not extra_index or sources.index_digest(extra_index) == index)


def build_digest(root: Path, framework: str, device: str) -> str:
    """One digest over the environment's contents and the sources that run in it."""
    whole = f"{_digest(root, framework, device)}\n{sources.digest(root, framework)}"
    return "sha256:" + hashlib.sha256(whole.encode()).hexdigest()


def make_environment(root: Path, framework: str, device: str, stop: Stop, extra_index: str = "") -> None:
    """Make or update `.venvs/<framework>`; nothing to do where its stamp matches. Raises BuildFailed."""
    if is_ready(root, framework, device, extra_index):
        return
    folder = root / ".venvs" / framework
    print(f"setting up .venvs/{framework} for {device}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    files = requirement_files(root, framework, device)
    bare = not files or importlib.util.find_spec("ensurepip") is None
    try:
        _run([sys.executable, "-m", "venv", *(["--without-pip"] if bare else []), str(folder)], root, stop, framework)
        if files:
            _install(root, framework, files, bare, stop, extra_index)
        stamp = f"{_digest(root, framework, device)}\n{sources.index_digest(extra_index)}\n"
        (folder / STAMP_NAME).write_text(stamp, encoding="ascii")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _install(root: Path, framework: str, files: list[Path], bare: bool, stop: Stop, extra_index: str) -> None:
    """pip install, three tries; the host's own pip where Debian's Python came without one."""
    target = str(python_of(root, framework))
    if bare and importlib.util.find_spec("pip") is None:
        raise BuildFailed(
            f"{sys.executable} has neither ensurepip nor pip; on Debian or Ubuntu: sudo apt-get install python3-venv"
        )
    pip = [sys.executable, "-m", "pip", "--python", target] if bare else [target, "-m", "pip"]
    wanted = [word for path in files for word in ("-r", str(path))]
    # An optional index that cannot be reached is a warning to pip; without retries it costs a second, not a minute.
    extra = ["--retries", "0", "--timeout", "15", "--extra-index-url", extra_index] if extra_index else []
    command = [*pip, "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", *extra, *wanted]
    for attempt in tries(stop):
        try:
            _run(command, root, stop, framework)
            return
        except BuildFailed as error:
            if attempt.last or not is_transient(error.tail):
                raise


def _run(command: list[str], root: Path, stop: Stop, framework: str) -> None:
    code, tail = run_logged(command, root, stop, INSTALL_SECONDS, f"setting up {framework}")
    if code != 0:
        raise BuildFailed(_message(framework, tail), tail)


def _message(framework: str, tail: str) -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if "No matching distribution" in tail or "Requires-Python" in tail:
        return (
            f"{framework}: a pinned package has no wheel for Python {version}, or the package index is not reachable; "
            f"use ENGINE=docker, or a Python that has one: {OTHER_PYTHON}"
        )
    return f"{framework}: its virtual environment could not be made"


def _stamp(folder: Path) -> tuple[str, str]:
    """(digest of the requirements, digest of the index) that the environment was made with."""
    try:
        lines = (folder / STAMP_NAME).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    return (lines[0] if lines else ""), (lines[1] if len(lines) > 1 else "")


def _digest(root: Path, framework: str, device: str) -> str:
    total = hashlib.sha256(sys.version.encode())
    total.update(device.encode())
    for path in sorted((root / "images" / framework).glob("*.txt")):
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()
