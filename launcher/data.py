"""Which data set each workload reads, and having it prepared where it is missing."""

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from launcher.children import run_child
from launcher.errors import ExitCode, Interrupted, NotReady, UsageError
from launcher.stop import Ending, Stop
from runners.harness.case import DatasetRef
from runners.harness.manifest import MANIFEST_NAME, Item, Manifest, ManifestError, read_manifest, splits_read

PREPARE_SECONDS = 6 * 3600.0
STDERR = 2
SPLITS = ("train", "test", "val")
SYNTHETIC = {"photos": ("train",), "labelled": ("train", "test")}
"""Kinds of the synthetic default, with the splits that each has."""


@dataclass(frozen=True)
class Source:
    """A data set as asked for; `command` prepares it where its manifest is missing."""

    manifest: Path
    command: list[str]
    splits: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether the manifest is there."""
        return self.manifest.is_file()


@dataclass(frozen=True)
class Dataset:
    """A manifest and where its images are."""

    path: Path
    manifest: Manifest

    @property
    def root(self) -> Path:
        """The folder that the manifest's paths start from."""
        return Path(self.manifest.root) if self.manifest.root else self.path.parent


@dataclass(frozen=True)
class Assigned:
    """The data set of each workload that reads one, or why it has none."""

    datasets: dict[str, Dataset] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def references(self) -> dict[str, DatasetRef]:
        """What the cases of each workload store of their data set."""
        return {name: one.manifest.reference(*splits_read(name, one.manifest)) for name, one in self.datasets.items()}


def sources(root: Path, given: str, workloads: Sequence[str]) -> list[Source]:
    """The data sets named by `--data`, or the synthetic default of each workload. An unusable name is a UsageError."""
    if not given.strip():
        return [_synthetic(root, "labelled" if name == "fit" else "photos") for name in workloads]
    names = [given] if Path(given).exists() else [part.strip() for part in given.split(",") if part.strip()]
    return [_source(root, name) for name in names]


def prepare(root: Path, source: Source, stop: Stop) -> Dataset:
    """Read the manifest, having it made or brought up to date first where the source is not prepared data itself."""
    if source.command:
        ended = run_child(source.command, root, STDERR, stop, PREPARE_SECONDS)
        if ended.ending is Ending.INTERRUPTED:
            raise Interrupted(f"interrupted while preparing {source.manifest.parent}")
        if ended.code != 0:
            kind = UsageError if ended.code == ExitCode.USAGE else NotReady
            raise kind(f"{source.manifest.parent}: the data could not be prepared (exit code {ended.code}); see above")
    return read(source.manifest)


def read(manifest: Path) -> Dataset:
    """A prepared data set. A manifest that cannot be used is a UsageError."""
    try:
        dataset = Dataset(manifest.absolute(), read_manifest(manifest))
    except ManifestError as error:
        raise UsageError(str(error)) from error
    if not dataset.root.is_dir():
        raise UsageError(
            f"{manifest}: its images should be in {dataset.root}, which is no folder; prepare the data again"
        )
    return dataset


def expected(source: Source) -> Dataset:
    """The data set, or what it will look like once it is prepared."""
    if source.ready:
        return read(source.manifest)
    splits: dict[str, tuple[Item, ...]] = dict.fromkeys(source.splits, ())
    return Dataset(source.manifest, Manifest(source.manifest.parent.name, "not prepared yet", None, (), splits))


def assign(workloads: Sequence[str], datasets: Sequence[Dataset]) -> Assigned:
    """Give each workload the first data set that it can read."""
    assigned = Assigned()
    for workload in workloads:
        for dataset in datasets:
            try:
                splits_read(workload, dataset.manifest)
            except ManifestError as error:
                assigned.reasons.setdefault(workload, str(error))
            else:
                assigned.datasets[workload] = dataset
                assigned.reasons.pop(workload, None)
                break
    return assigned


def require_images(references: Mapping[str, DatasetRef], batch_sizes: Mapping[str, int]) -> None:
    """Refuse a data set that cannot fill one batch of its workload."""
    for workload, reference in references.items():
        batch = batch_sizes.get(workload, 0)
        if reference.items < batch:
            raise UsageError(
                f"data set {reference.id}: {reference.items} images do not fill one batch of {batch} ({workload})"
            )


def _synthetic(root: Path, kind: str) -> Source:
    folder = root / "data" / f"synthetic-{kind}"
    command = _preparation("synthetic", "--kind", kind, "--out", str(folder))
    return Source(folder / MANIFEST_NAME, command, SYNTHETIC[kind])


def _source(root: Path, name: str) -> Source:
    path = Path(name)
    if not path.exists() and (root / "data" / name / MANIFEST_NAME).is_file():
        path = root / "data" / name
    if not path.exists():
        raise UsageError(
            f"{name!r}: no such folder; DATA takes class folders or prepared data sets, separated by commas"
        )
    if path.is_file() and path.name == MANIFEST_NAME:
        path = path.parent
    if not path.is_dir():
        raise UsageError(f"{name!r}: not a folder; unpack archives first")
    if (path / MANIFEST_NAME).is_file():
        return Source(path / MANIFEST_NAME, [], ())
    target = _target(root, path)
    splits = tuple(split for split in SPLITS if (path / split).is_dir()) or ("all",)
    return Source(target / MANIFEST_NAME, _preparation("folder", str(path.absolute()), "--out", str(target)), splits)


def _preparation(*words: str) -> list[str]:
    return [sys.executable, "-m", "dataset_prep", *words]


def _target(root: Path, path: Path) -> Path:
    """data/<name> for a folder of images; another name where that one belongs to other images."""
    real = os.path.realpath(path)
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", os.path.basename(real)).strip("-.") or "images"
    target = root / "data" / slug
    if not target.exists() or _is_about(target / MANIFEST_NAME, real):
        return target
    return root / "data" / f"{slug}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:6]}"


def _is_about(manifest: Path, real: str) -> bool:
    try:
        owner = read_manifest(manifest).root
    except ManifestError:
        return False
    return owner is not None and os.path.realpath(owner) == real
