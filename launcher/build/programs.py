"""What is built and started: a framework at its pinned version, or at one that a run chose (`tensorflow@2.16.2`)."""

import re
from pathlib import Path

from launcher.errors import UsageError

ARGUMENT = "FRAMEWORK_VERSION"
"""The build argument, and the variable in requirements, that a chosen version stands in."""

_OF_VERSION = "requirements-version"
_VERSION = re.compile(r"\d[0-9A-Za-z.]*(\+[0-9A-Za-z.]+)?", re.ASCII)


def split(program: str) -> tuple[str, str]:
    """(framework, version); the version is empty where the pinned one is meant."""
    framework, _, version = program.partition("@")
    return framework, version


def require_version(root: Path, program: str) -> None:
    """Raise UsageError unless a version may be chosen so: whether the index has it, only its installation shows."""
    framework, version = split(program)
    if not _VERSION.fullmatch(version):
        raise UsageError(f"framework {program!r}: a version is written like {framework}@2.16.2")
    if not any((root / "images" / framework).glob(f"{_OF_VERSION}*.txt")):
        raise UsageError(
            f"framework {program!r}: {framework} runs at its pinned version only; images/{framework}/{_OF_VERSION}.txt "
            f"would say what another one needs, as {framework}==${{{ARGUMENT}}}"
        )


def requirement_files(root: Path, program: str, device: str) -> list[Path]:
    """The program's requirements that exist: those of every device, then those of this one."""
    framework, version = split(program)
    folder, stem = root / "images" / framework, _OF_VERSION if version else "requirements"
    return [path for path in (folder / f"{stem}.txt", folder / f"{stem}-{device}.txt") if path.is_file()]


def ingredients(root: Path, program: str) -> list[Path]:
    """All files that the program's requirements may name; those of a chosen version are nothing to the pinned one."""
    framework, version = split(program)
    files = sorted((root / "images" / framework).glob("*.txt"))
    return [path for path in files if path.name.startswith(_OF_VERSION) == bool(version)]
