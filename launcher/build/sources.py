"""The sources of a build: their commit, and digests that tell whether two builds are the same."""

import hashlib
import json
import os
import subprocess
import tomllib
from pathlib import Path

RECIPE = "images/Dockerfile"
COMMIT_NAME = "commit.json"
"""Stands for the repository in a copy of the sources that was sent to another machine: what `commit` said here."""
SHARED = (RECIPE, "runners/__init__.py", "runners/harness", "runners/reference")


def digest(root: Path, framework: str) -> str:
    """A digest of the framework's sources and requirements and of the sources that all frameworks share."""
    total = hashlib.sha256()
    for part in (*SHARED, f"runners/{framework}", f"images/{framework}"):
        for path in _files(root / part):
            total.update(os.fsencode(path.relative_to(root)) + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def commit(root: Path) -> tuple[str | None, bool | None]:
    """The commit, and whether the tree differs from it; None twice where the folder is no repository of its own."""
    head = _git(root, "rev-parse", "--show-prefix", "HEAD")
    status = _git(root, "status", "--porcelain")
    # Below the top of another repository, whose commit says nothing about these sources, the first line is no prefix.
    if head is None or status is None or not head.startswith("\n"):
        return _noted(root)
    return head.strip(), bool(status)


def _noted(root: Path) -> tuple[str | None, bool | None]:
    try:
        head, dirty = json.loads((root / COMMIT_NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None, None
    return head, dirty


def _git(root: Path, *words: str) -> str | None:
    """What git says in this folder, whatever repository its variables name and whoever owns the folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-c", f"safe.directory={root}", *words]
    try:
        run = subprocess.run(
            command, cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.decode(errors="replace")


def version(root: Path) -> str:
    """The project's version."""
    try:
        return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return ""


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
