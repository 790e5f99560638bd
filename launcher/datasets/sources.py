"""Where data sets come from: those that `--data` names, or the synthetic ones."""

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import UsageError
from runners.harness.manifest import MANIFEST_NAME, ManifestError, is_manifest, read_manifest, split_of

DOWNLOADED = {"cifar100": ("train", "test")}
"""Data sets that `--data` may name, with their splits. They are prepared on first use."""
SYNTHETIC = {"photos": ("train",), "labelled": ("train", "test")}
"""The kinds of synthetic data, with their splits."""
OWN_NAMES = {*DOWNLOADED, *(f"synthetic-{kind}" for kind in SYNTHETIC)}
"""Folders under data/ that a folder of somebody's images never takes, whatever it is called."""


@dataclass(frozen=True)
class Source:
    """Where a data set comes from; `command` prepares it, and is empty for prepared data.

    `workloads` are the workloads that it is made for; empty where it may serve any.
    """

    manifest: Path
    command: list[str]
    splits: tuple[str, ...]
    workloads: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether the data set is prepared."""
        return self.manifest.is_file()


def sources(root: Path, given: str, workloads: Sequence[str], strict: bool = False) -> list[Source]:
    """The data sets that `given` names, or the synthetic data of each workload. An unusable name is a UsageError."""
    if not given.strip():
        kinds = {name: "labelled" if name == "fit" else "photos" for name in workloads}
        return [_synthetic(root, kind, kinds) for kind in dict.fromkeys(kinds.values())]
    names = [given] if Path(given).exists() else [part.strip() for part in given.split(",") if part.strip()]
    if not names:
        raise UsageError(f"{given!r} names no data set; leave DATA out for synthetic images")
    return [_source(root, name, strict) for name in names]


def _synthetic(root: Path, kind: str, kinds: Mapping[str, str]) -> Source:
    folder = root / "data" / f"synthetic-{kind}"
    command = _preparation("synthetic", "--kind", kind, "--out", str(folder))
    workloads = tuple(name for name, its_kind in kinds.items() if its_kind == kind)
    return Source(folder / MANIFEST_NAME, command, SYNTHETIC[kind], workloads)


def _source(root: Path, name: str, strict: bool) -> Source:
    path = Path(name)
    if not path.exists() and (root / "data" / name / MANIFEST_NAME).is_file():
        path = root / "data" / name
    if not path.exists() and name in DOWNLOADED:
        folder = root / "data" / name
        return Source(folder / MANIFEST_NAME, _preparation(name, "--out", str(folder)), DOWNLOADED[name])
    if not path.exists():
        raise UsageError(
            f"{name!r}: no such folder; DATA takes class folders, prepared data sets or "
            f"{' or '.join(DOWNLOADED)}, separated by commas"
        )
    if path.is_file() and path.name == MANIFEST_NAME:
        if not is_manifest(path):
            raise UsageError(f"{name!r}: not the manifest of prepared data; give the folder of the images")
        return Source(path, [], ())
    if not path.is_dir():
        raise UsageError(f"{name!r}: not a folder; unpack archives first")
    if is_manifest(path / MANIFEST_NAME):
        return Source(path / MANIFEST_NAME, [], ())
    target = _target(root, path)
    refuse = ["--strict"] if strict else []
    command = _preparation("folder", str(path.absolute()), "--out", str(target), *refuse)
    return Source(target / MANIFEST_NAME, command, _splits(path) or ("all",))


def _splits(path: Path) -> tuple[str, ...]:
    """The splits that the preparation will find: folders that are named as splits and hold class folders."""
    try:
        named = {one: split for one in sorted(path.iterdir()) if (split := split_of(one.name)) and one.is_dir()}
        found = [split for one, split in named.items() if any(inner.is_dir() for inner in one.iterdir())]
    except OSError as error:
        where = os.fspath(error.filename or path)
        raise UsageError(f"{where!r}: cannot be read ({error.strerror}); give yourself access") from error
    return tuple(dict.fromkeys(found))


def _preparation(*words: str) -> list[str]:
    return [sys.executable, "-m", "dataset_prep", *words]


def _target(root: Path, path: Path) -> Path:
    """The folder data/<name> for a folder of images; with a suffix where that folder belongs to other images."""
    real = os.path.realpath(path)
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", os.path.basename(real)).strip("-.") or "images"
    target = root / "data" / slug
    if slug not in OWN_NAMES and (not target.exists() or _is_about(target / MANIFEST_NAME, real)):
        return target
    return root / "data" / f"{slug}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:6]}"


def _is_about(manifest: Path, real: str) -> bool:
    try:
        owner = read_manifest(manifest).root
    except ManifestError:
        return False
    return owner is not None and os.path.realpath(owner) == real
