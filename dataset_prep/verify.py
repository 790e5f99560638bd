"""Verifies that the data still has the bytes that its manifest lists."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from dataset_prep.console import progress, say, shown
from dataset_prep.errors import BadInput
from dataset_prep.parallel import in_order
from runners.harness.manifest import MANIFEST_NAME, Item, ManifestError, read_manifest

SHOWN = 50


def verify(target: Path) -> Path:
    """Compare all files with the manifest `target`, or the manifest in the folder `target`. Returns its path."""
    path = target / MANIFEST_NAME if target.is_dir() else target
    try:
        manifest = read_manifest(path)
    except ManifestError as error:
        raise BadInput(str(error)) from error
    root = path.parent if manifest.root is None else Path(manifest.root)
    items = [item for split in sorted(manifest.splits) for item in manifest.splits[split]]
    differences = list(_differences(root, items))
    for line in differences[:SHOWN]:
        say(line)
    if differences:
        raise BadInput(
            f"{len(differences):,} of {len(items):,} images under {shown(root)} differ from {shown(path)}; "
            "prepare them again"
        )
    say(f"all {len(items):,} images under {shown(root)} are as listed, {manifest.digest}")
    return path


def _differences(root: Path, items: list[Item]) -> Iterator[str]:
    def difference(item: Item) -> str | None:
        try:
            data = (root / item.path).read_bytes()
        except OSError as error:
            return f"{shown(item.path)}: cannot be read ({error.strerror})"
        if len(data) != item.bytes:
            return f"{shown(item.path)}: {len(data):,} bytes, listed with {item.bytes:,}"
        if hashlib.sha256(data).hexdigest() != item.sha256:
            return f"{shown(item.path)}: other content than listed"
        return None

    for line in progress(in_order(difference, items), len(items), "images verified"):
        if line:
            yield line
