"""The manifest of a data set: which images, in which order, with which bytes. All frameworks read the same manifest.

`dataset_prep` writes it; runners and launcher read it. Paths use `/` and are relative to the data's root. Bytes of a
name that are not UTF-8 become surrogate escapes (os.fsdecode).
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from runners.harness import strict_json
from runners.harness.case import FIRST_SPLIT, DatasetRef
from runners.harness.files import read_regular, write_atomically

MANIFEST_VERSION = 1
MANIFEST_NAME = "manifest.json"
SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""The names that people give to folders of a split, in lower case, and the split that each one holds."""


class ManifestError(Exception):
    """The manifest, or the data that it lists, cannot be used."""


@dataclass(frozen=True)
class Item:
    """One image: its path, its class, its exact bytes, its size in pixels."""

    path: str
    label: int
    bytes: int
    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class Excluded:
    """An image that is left out for every framework, with the reason."""

    path: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """A validated data set. `root` is absolute, or None if the images lie in the manifest's folder."""

    id: str
    kind: str
    root: str | None
    classes: tuple[str, ...]
    splits: dict[str, tuple[Item, ...]]
    excluded: tuple[Excluded, ...] = ()
    warnings: tuple[str, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """One SHA-256 over every split, path, label and content."""
        return _digest(self.splits)

    def reference(self, *splits: str) -> DatasetRef:
        """The reference to `splits` that a case stores."""
        items = [item for name in splits for item in self.splits[name]]
        digest = _digest({name: self.splits[name] for name in splits})
        return DatasetRef(self.id, digest, len(items), sum(item.bytes for item in items))


def split_of(folder: str) -> str | None:
    """The split that a folder of this name holds, or None if the name is not a split's."""
    return SPLIT_FOLDERS.get(folder.lower())


def splits_read(workload: str, manifest: Manifest, split: str | None = None) -> tuple[str, ...]:
    """The splits of this data set that a workload reads; `split` is the case's choice, if the workload has this axis.

    Raises ManifestError if the required splits are missing.
    """
    if workload == "fit":
        if not {"train", "test"} <= manifest.splits.keys():
            raise ManifestError(f"data set {manifest.id}: fit needs train/ and test/, it has {_names(manifest)}")
        return ("train", "test")
    if split not in (None, FIRST_SPLIT):
        if split not in manifest.splits:
            raise ManifestError(f"data set {manifest.id}: has no split {split!r}, only {_names(manifest)}")
        return (split,)
    for name in ("train", "val", "all", "test"):
        if name in manifest.splits:
            return (name,)
    raise ManifestError(f"data set {manifest.id}: has no split train, val, all or test, only {_names(manifest)}")


def _names(manifest: Manifest) -> str:
    return ", ".join(sorted(manifest.splits)) or "none"


def _digest(splits: dict[str, tuple[Item, ...]]) -> str:
    total = hashlib.sha256()
    for name in sorted(splits):
        for item in splits[name]:
            line = f"{name}\0{item.path}\0{item.label}\0{item.sha256}\n"
            total.update(line.encode("utf-8", "surrogateescape"))
    return "sha256:" + total.hexdigest()


def write_manifest(manifest: Manifest, folder: Path) -> Path:
    """Write `manifest` into `folder`, whole or not at all."""
    document = {"manifest_version": MANIFEST_VERSION, "digest": manifest.digest, **asdict(manifest)}
    path = folder / MANIFEST_NAME
    write_atomically(path, (json.dumps(document, indent=0, sort_keys=True) + "\n").encode("ascii"))
    return path


def is_manifest(path: Path) -> bool:
    """Whether the file says that it is such a manifest, intact or damaged. Other programs write manifest.json too."""
    try:
        content = path.read_bytes() if path.is_file() else b""
    except OSError:
        return False
    return b'"manifest_version"' in content and b'"digest"' in content


def read_manifest(path: Path) -> Manifest:
    """Read a manifest and verify its digest. Raises ManifestError."""
    try:
        document = strict_json.loads(read_regular(path, follow=True))
        version = document.pop("manifest_version")
        digest = document.pop("digest")
        if version != MANIFEST_VERSION:
            raise ManifestError(
                f"{path}: version {version}, this program reads {MANIFEST_VERSION}; prepare the data again"
            )
        document["splits"] = {name: tuple(Item(**item) for item in items) for name, items in document["splits"].items()}
        document["excluded"] = tuple(Excluded(**item) for item in document["excluded"])
        document["classes"] = tuple(document["classes"])
        document["warnings"] = tuple(document["warnings"])
        manifest = Manifest(**document)
        for items in manifest.splits.values():
            for item in items:
                _check_item(item)
        if manifest.digest != digest:
            raise ManifestError(f"{path}: its digest does not match its items; prepare the data again (make data)")
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: no such manifest; prepare the data first (make data)") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestError(f"{path}: not a usable manifest ({error}); prepare the data again (make data)") from error
    return manifest


def _check_item(item: Item) -> None:
    """Raise ValueError unless all fields have the right type and the path stays inside the data's root."""
    if not (isinstance(item.path, str) and isinstance(item.sha256, str)):
        raise ValueError("a path or checksum is not a string")
    if any(type(value) is not int or value < 0 for value in (item.label, item.bytes, item.width, item.height)):
        raise ValueError(f"{item.path!r}: label, bytes, width and height must be whole numbers")
    if item.path.startswith("/") or ".." in item.path.split("/") or "\0" in item.path:
        raise ValueError(f"{item.path!r} leaves the data's root")


def verify_bytes(root: Path, items: tuple[Item, ...]) -> None:
    """Read every file and compare its SHA-256, which also warms the page cache. Raises ManifestError."""
    for item in items:
        path = root / item.path
        try:
            data = read_regular(path, follow=True)
        except OSError as error:
            raise ManifestError(f"{str(path)!r}: listed in the manifest, cannot be read ({error.strerror})") from error
        if len(data) != item.bytes or hashlib.sha256(data).hexdigest() != item.sha256:
            raise ManifestError(f"{str(path)!r}: changed since the manifest was written; prepare the data again")
