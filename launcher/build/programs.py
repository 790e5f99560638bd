"""Programs: a framework at its pinned version, or at a version that a run asks for (`tensorflow@2.16.2`)."""

import hashlib
import re
from pathlib import Path

from launcher.errors import UsageError

ARGUMENT = "FRAMEWORK_VERSION"
"""The build argument, and the variable in requirements, for the version that a run asks for."""

_OF_VERSION = "requirements-version"
_VERSION = re.compile(r"\d[0-9A-Za-z.]*(\+[0-9A-Za-z.]+)?", re.ASCII)


def split(program: str) -> tuple[str, str]:
    """The framework and the version of a program; the version is empty for the pinned version."""
    framework, _, version = program.partition("@")
    return framework, version


def require_version(root: Path, program: str) -> None:
    """Raise UsageError unless a run may ask for this version. Only its installation shows whether the index has it."""
    framework, version = split(program)
    if not _VERSION.fullmatch(version):
        raise UsageError(f"framework {program!r}: a version is written like {framework}@2.16.2")
    if not any((root / "images" / framework).glob(f"{_OF_VERSION}*.txt")):
        raise UsageError(
            f"framework {program!r}: {framework} runs at its pinned version only; images/{framework}/{_OF_VERSION}.txt "
            f"would say what another one needs, as {framework}==${{{ARGUMENT}}}"
        )


def requirement_files(root: Path, program: str, device: str) -> list[Path]:
    """The program's requirement files that exist: the file for every device, then the file for this device."""
    framework, version = split(program)
    folder, stem = root / "images" / framework, _OF_VERSION if version else "requirements"
    return [path for path in (folder / f"{stem}.txt", folder / f"{stem}-{device}.txt") if path.is_file()]


def ingredients(root: Path, program: str) -> list[Path]:
    """All files from which the program's requirements are read, on any device."""
    framework, version = split(program)
    files = sorted((root / "images" / framework).glob("*.txt"))
    return [path for path in files if path.name.startswith(_OF_VERSION) == bool(version)]


def index_digest(index: str) -> str:
    """A digest of a package index's address, which itself may hold a password."""
    return hashlib.sha256(index.encode("utf-8", "surrogateescape")).hexdigest()[:16] if index else ""
