"""Digests of what a framework is made from: they tell whether two builds, or two halves of a run, are the same."""

import hashlib
import os
from pathlib import Path

RECIPE = "images/Dockerfile"
SHARED = (RECIPE, "runners/__init__.py", "runners/harness", "runners/reference")


def digest(root: Path, framework: str) -> str:
    """One digest over the framework's own sources, its requirements, and what all frameworks share."""
    total = hashlib.sha256()
    for part in (*SHARED, f"runners/{framework}", f"images/{framework}"):
        for path in _files(root / part):
            total.update(os.fsencode(path.relative_to(root)) + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def index_digest(index: str) -> str:
    """Tells package indexes apart without keeping their addresses, which may hold a password."""
    return hashlib.sha256(index.encode("utf-8", "surrogateescape")).hexdigest()[:16] if index else ""


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
