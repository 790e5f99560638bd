"""Which data set each workload reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from launcher.datasets.sources import Source
from launcher.errors import UsageError
from runners.harness.case import Case, DatasetRef
from runners.harness.manifest import Item, Manifest, ManifestError, read_manifest, splits_read

LEARNS, FEWEST_CLASSES = "fit", 2


@dataclass(frozen=True)
class Dataset:
    """A prepared data set: its manifest and the folder of its images."""

    path: Path
    manifest: Manifest

    @property
    def root(self) -> Path:
        """The folder that the manifest's paths start from."""
        return Path(self.manifest.root) if self.manifest.root else self.path.parent


@dataclass(frozen=True)
class Assigned:
    """The data set of each workload that reads data, or the reason why it has none."""

    datasets: dict[str, Dataset] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    _references: dict[tuple[str, str | None], DatasetRef] = field(default_factory=dict, compare=False)

    def reference(self, case: Case) -> tuple[DatasetRef | None, str | None]:
        """The reference to its data set that the case stores, or the reason why there is none.

        Both are None for a workload that reads no data.
        """
        dataset = self.datasets.get(case.workload)
        if dataset is None:
            return None, self.reasons.get(case.workload)
        key = case.workload, case.split
        try:
            if key not in self._references:  # a digest over millions of images takes seconds
                self._references[key] = _reference(dataset.manifest, case)
        except ManifestError as error:
            return None, str(error)
        return self._references[key], None


def read(manifest: Path) -> Dataset:
    """Read a prepared data set. A manifest that cannot be used is a UsageError."""
    try:
        dataset = Dataset(manifest.absolute(), read_manifest(manifest))
    except ManifestError as error:
        raise UsageError(str(error)) from error
    if not (isinstance(dataset.manifest.id, str) and dataset.manifest.id.isprintable()):
        raise UsageError(f"{manifest}: its name {dataset.manifest.id!a} cannot be stored; prepare the data again")
    if not dataset.root.is_dir():
        raise UsageError(
            f"{manifest}: its images should be in {dataset.root}, which is not a folder; prepare the data again"
        )
    return dataset


def expected(source: Source) -> Dataset:
    """The data set, or an empty one with the splits that it will have once it is prepared."""
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


def is_still(dataset: Dataset, case: Case) -> bool:
    """Whether the data set on disk is still the same as when the case was planned."""
    try:
        return _reference(read_manifest(dataset.path), case) == case.dataset
    except ManifestError:
        return False


def require_images(assigned: Assigned, cases: Sequence[Case]) -> None:
    """Raise UsageError where a data set does not fill one batch of a workload, or has too few classes."""
    for case in sorted((case for case in cases if case.dataset), key=lambda case: -case.batch_size):
        dataset, batch = assigned.datasets[case.workload], case.batch_size
        split = splits_read(case.workload, dataset.manifest, case.split)[0]
        images = len(dataset.manifest.splits[split])
        if case.workload == LEARNS and len(dataset.manifest.classes) < FEWEST_CLASSES:
            raise UsageError(
                f"data set {dataset.manifest.id}: training needs {FEWEST_CLASSES} classes or more, it has "
                f"{len(dataset.manifest.classes)}; a class is a folder in train/ and in test/"
            )
        if images < batch:
            raise UsageError(
                f"data set {dataset.manifest.id}: {images} images in {split} do not fill one batch of {batch} "
                f"({case.workload})"
            )


def _reference(manifest: Manifest, case: Case) -> DatasetRef:
    """The reference to the splits that the case reads. Raises ManifestError if the data set lacks one."""
    return manifest.reference(*splits_read(case.workload, manifest, case.split))
