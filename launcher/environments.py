"""The frameworks' virtual environments in .venvs/, made from the requirements beside each Dockerfile."""

import hashlib
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

from launcher.children import run_child
from launcher.errors import BuildFailed, Interrupted
from launcher.retry import is_transient, tries
from launcher.stop import Ending, Stop
from runners.harness.record import log_tail

STAMP_NAME = "levelfield-stamp"
INSTALL_SECONDS = 3600.0


def python_of(root: Path, framework: str) -> Path:
    """The framework's interpreter."""
    return root / ".venvs" / framework / "bin" / "python"


def requirement_files(root: Path, framework: str, device: str) -> list[Path]:
    """The framework's requirements that exist: those of every device, then those of this one."""
    folder = root / "images" / framework
    return [path for path in (folder / "requirements.txt", folder / f"requirements-{device}.txt") if path.is_file()]


def is_ready(root: Path, framework: str, device: str) -> bool:
    """Whether the environment holds just what the requirements name; one that a person linked in is left to them."""
    folder = root / ".venvs" / framework
    stamp = folder / STAMP_NAME
    if not python_of(root, framework).exists():
        return False
    if folder.is_symlink():
        return True
    return stamp.is_file() and stamp.read_text(encoding="ascii").strip() == _digest(root, framework, device)


def make_environment(root: Path, framework: str, device: str, stop: Stop, extra_index: str = "") -> None:
    """Make or update `.venvs/<framework>`; nothing to do where its stamp matches. Raises BuildFailed."""
    if is_ready(root, framework, device):
        return
    folder = root / ".venvs" / framework
    print(f"setting up .venvs/{framework} for {device}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    files = requirement_files(root, framework, device)
    bare = not files or importlib.util.find_spec("ensurepip") is None
    _run([sys.executable, "-m", "venv", *(["--without-pip"] if bare else []), str(folder)], root, stop, framework)
    if files:
        _install(root, framework, files, bare, stop, extra_index)
    (folder / STAMP_NAME).write_text(_digest(root, framework, device) + "\n", encoding="ascii")


def _install(root: Path, framework: str, files: list[Path], bare: bool, stop: Stop, extra_index: str) -> None:
    """pip install, three tries; the host's own pip where Debian's Python came without one."""
    target = str(python_of(root, framework))
    if bare and importlib.util.find_spec("pip") is None:
        raise BuildFailed(
            f"{sys.executable} has neither ensurepip nor pip; on Debian or Ubuntu: sudo apt-get install python3-venv"
        )
    pip = [sys.executable, "-m", "pip", "--python", target] if bare else [target, "-m", "pip"]
    wanted = [word for path in files for word in ("-r", str(path))]
    extra = ["--extra-index-url", extra_index] if extra_index else []
    command = [*pip, "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", *extra, *wanted]
    for attempt in tries(stop):
        try:
            _run(command, root, stop, framework)
            return
        except BuildFailed as error:
            if attempt.last or not is_transient(error.tail):
                raise


def _run(command: list[str], root: Path, stop: Stop, framework: str) -> None:
    with tempfile.TemporaryFile() as log:
        ended = run_child(command, root, log, stop, INSTALL_SECONDS)
        log.seek(0)
        tail = log_tail(log.read().decode(errors="replace"))
    if ended.ending is Ending.INTERRUPTED:
        raise Interrupted(f"interrupted while setting up {framework}")
    if ended.code != 0:
        raise BuildFailed(_message(framework, tail), tail)


def _message(framework: str, tail: str) -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if "No matching distribution" in tail or "Requires-Python" in tail:
        return (
            f"{framework}: a pinned package has no wheel for Python {version}, or the package index is not reachable; "
            "use ENGINE=docker, or a Python that has one (make setup PYTHON=python3.11)"
        )
    return f"{framework}: its virtual environment could not be made"


def _digest(root: Path, framework: str, device: str) -> str:
    total = hashlib.sha256(sys.version.encode())
    total.update(device.encode())
    for path in sorted((root / "images" / framework).glob("*.txt")):
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()
