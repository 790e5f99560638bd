"""Which data set each workload reads, and having it prepared where it is missing."""

import fcntl
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from launcher.processes import run_child
from launcher.errors import ExitCode, Interrupted, NotReady, UsageError
from launcher.ownership.temporary import scratch
from launcher.stop import Ending, Stop
from runners.harness.case import Case, DatasetRef
from runners.harness.manifest import MANIFEST_NAME, Item, Manifest, ManifestError, read_manifest, splits_read

PREPARE_SECONDS = 6 * 3600.0
STDERR = 2
SPLITS = ("train", "test", "val")
LEARNS, FEWEST_CLASSES = "fit", 2
DOWNLOADED = {"cifar100": ("train", "test")}
"""Data sets that go by a name, with the splits that each has: prepared on first use."""
SYNTHETIC = {"photos": ("train",), "labelled": ("train", "test")}
"""Kinds of the synthetic default, with the splits that each has."""


@dataclass(frozen=True)
class Source:
    """A data set as asked for; `command` prepares it where its manifest is missing.

    `workloads` are those that it is made for, empty where it may serve any.
    """

    manifest: Path
    command: list[str]
    splits: tuple[str, ...]
    workloads: tuple[str, ...] = ()

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


def sources(root: Path, given: str, workloads: Sequence[str], strict: bool = False) -> list[Source]:
    """The data sets named by `--data`, or the synthetic default of each workload. An unusable name is a UsageError."""
    if not given.strip():
        kinds = {name: "labelled" if name == "fit" else "photos" for name in workloads}
        return [_synthetic(root, kind, kinds) for kind in dict.fromkeys(kinds.values())]
    names = [given] if Path(given).exists() else [part.strip() for part in given.split(",") if part.strip()]
    return [_source(root, name, strict) for name in names]


def prepare(root: Path, source: Source, stop: Stop) -> Dataset:
    """Read the manifest, having it made or brought up to date first where the source is not prepared data itself."""
    if source.command:
        with scratch() as folder:
            environment = {**os.environ, "TMPDIR": str(folder)}
            ended = run_child(source.command, root, STDERR, stop, PREPARE_SECONDS, environment)
        if ended.ending is Ending.INTERRUPTED:
            remove_unfinished(source.manifest.parent.parent)
            raise Interrupted(f"interrupted while preparing {source.manifest.parent}")
        if ended.code != 0:
            kind = UsageError if ended.code == ExitCode.USAGE else NotReady
            raise kind(f"{source.manifest.parent}: the data could not be prepared (exit code {ended.code}); see above")
    return read(source.manifest)


def remove_unfinished(folder: Path) -> int:
    """Remove what preparations left that are dead: each holds a lock on its own; returns how many."""
    removed = 0
    for shop in folder.glob(".*.preparing"):
        try:
            handle = os.open(shop, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(shop, ignore_errors=True)
            removed += 1
        except BlockingIOError:
            continue
        finally:
            os.close(handle)
    return removed


def is_still(dataset: Dataset, case: Case) -> bool:
    """Whether the data set on disk is still the one that the case was planned with."""
    try:
        manifest = read_manifest(dataset.path)
        return manifest.reference(*splits_read(case.workload, manifest)) == case.dataset
    except ManifestError:
        return False


def read(manifest: Path) -> Dataset:
    """A prepared data set. A manifest that cannot be used is a UsageError."""
    try:
        dataset = Dataset(manifest.absolute(), read_manifest(manifest))
    except ManifestError as error:
        raise UsageError(str(error)) from error
    if not (isinstance(dataset.manifest.id, str) and dataset.manifest.id.isprintable()):
        raise UsageError(f"{manifest}: its name {dataset.manifest.id!a} cannot be stored; prepare the data again")
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


def assign(workloads: Sequence[str], found: Sequence[tuple[Source, Dataset]]) -> Assigned:
    """Give each workload the first data set that it can read."""
    assigned = Assigned()
    for workload in workloads:
        for dataset in (one for source, one in found if workload in (source.workloads or workloads)):
            try:
                splits_read(workload, dataset.manifest)
            except ManifestError as error:
                assigned.reasons.setdefault(workload, str(error))
            else:
                assigned.datasets[workload] = dataset
                assigned.reasons.pop(workload, None)
                break
    return assigned


def require_images(assigned: Assigned, batch_sizes: Mapping[str, int]) -> None:
    """Refuse a data set that cannot fill one batch of its workload, or has nothing to tell apart.

    It is the first split that batches are timed on.
    """
    for workload, dataset in assigned.datasets.items():
        split = splits_read(workload, dataset.manifest)[0]
        images, batch = len(dataset.manifest.splits[split]), batch_sizes.get(workload, 0)
        if workload == LEARNS and len(dataset.manifest.classes) < FEWEST_CLASSES:
            raise UsageError(
                f"data set {dataset.manifest.id}: training needs {FEWEST_CLASSES} classes or more, it has "
                f"{len(dataset.manifest.classes)}; a class is a folder in train/ and in test/"
            )
        if images < batch:
            raise UsageError(
                f"data set {dataset.manifest.id}: {images} images in {split} do not fill one batch of {batch} "
                f"({workload})"
            )


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
        path = path.parent
    if not path.is_dir():
        raise UsageError(f"{name!r}: not a folder; unpack archives first")
    if (path / MANIFEST_NAME).is_file():
        return Source(path / MANIFEST_NAME, [], ())
    target = _target(root, path)
    splits = tuple(split for split in SPLITS if (path / split).is_dir()) or ("all",)
    refuse = ["--strict"] if strict else []
    command = _preparation("folder", str(path.absolute()), "--out", str(target), *refuse)
    return Source(target / MANIFEST_NAME, command, splits)


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
