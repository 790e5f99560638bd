"""Any data set in class folders. The images stay where they are; the manifest lists the images that are used."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dataset_prep.build import current, identity, provenance, ready
from dataset_prep.console import progress, say, shown
from dataset_prep.errors import BadInput
from dataset_prep.jpeg import Unusable
from dataset_prep.listing import Candidate, Listing, list_images
from dataset_prep.parallel import in_order
from dataset_prep.validate import MAX_BYTES, inspect
from runners.harness.manifest import Excluded, Item, Manifest, write_manifest

KIND = "folder"
SHOWN = 20
"""How many exclusions and warnings are printed. The manifest holds all of them."""


@dataclass(frozen=True)
class Options:
    """`limit` is the largest number of images of a split, taken evenly from its classes."""

    limit: int | None = None
    strict: bool = False
    force: bool = False


def prepare(source: Path, out: Path, options: Options) -> Path:
    """Validate every image under `source` and write `out`/manifest.json. Returns the manifest's path."""
    listing = list_images(source, options.limit)
    facts = provenance(listing=_fingerprint(listing), limit=options.limit)
    if not options.force and ready(out, KIND, facts):
        found = current(out)
        assert found is not None
        _report(found, options.strict)
        return out / "manifest.json"
    _require_replaceable(out, options.force)
    manifest = _validated(listing, identity(out), facts)
    _report(manifest, options.strict)
    out.mkdir(parents=True, exist_ok=True)
    return write_manifest(manifest, out)


def _fingerprint(listing: Listing) -> str:
    """A digest that changes if a file is added, removed or written. It needs no file contents."""
    total = hashlib.sha256()
    for candidate in listing.candidates:
        line = f"{candidate.path}\0{candidate.bytes}\0{candidate.modified_ns}\n"
        total.update(os.fsencode(line))
    for excluded in listing.excluded:
        total.update(os.fsencode(f"{excluded.path}\0{excluded.reason}\n"))
    total.update(os.fsencode(listing.root))
    return "sha256:" + total.hexdigest()


def _require_replaceable(out: Path, force: bool) -> None:
    """Raise BadInput if `out` holds a manifest of another kind, whose images in the same folder would lose it."""
    if out.exists() and not out.is_dir():
        raise BadInput(f"{shown(out)} is not a folder; name another with --out")
    found = current(out)
    if found is not None and found.kind != KIND:
        raise BadInput(f"{shown(out)} holds a data set of kind {found.kind}; name another folder with --out")
    if found is None and (out / "manifest.json").exists() and not force:
        raise BadInput(f"{shown(out / 'manifest.json')} cannot be read as a manifest; --force replaces it")


def _validated(listing: Listing, name: str, facts: dict[str, str]) -> Manifest:
    root = Path(listing.root)

    def validated(candidate: Candidate) -> tuple[Candidate, Item | Excluded]:
        return candidate, _item(root, candidate)

    splits: dict[str, list[tuple[str, Item]]] = {}
    excluded = list(listing.excluded)
    results = in_order(validated, listing.candidates)
    for candidate, result in progress(results, len(listing.candidates), "images validated"):
        if isinstance(result, Excluded):
            excluded.append(result)
        else:
            splits.setdefault(candidate.split, []).append((candidate.class_name, result))
    classes = sorted({name for items in splits.values() for name, _ in items}, key=os.fsencode)
    _require_enough(listing, classes, set(splits))
    warnings = [*listing.warnings, *_left_out(listing, splits)]
    label = {name: number for number, name in enumerate(classes)}
    labelled = {
        split: tuple(Item(**(vars(item) | {"label": label[name]})) for name, item in items)
        for split, items in splits.items()
    }
    excluded.sort(key=lambda entry: os.fsencode(entry.path))
    return Manifest(name, KIND, listing.root, tuple(classes), labelled, tuple(excluded), tuple(warnings), facts)


def _item(root: Path, candidate: Candidate) -> Item | Excluded:
    """Read and validate one file. Its label is set later, when all classes are known."""
    try:
        if candidate.bytes > MAX_BYTES:
            raise Unusable(f"{candidate.bytes:,} bytes, more than the {MAX_BYTES:,} allowed; not read")
        data = (root / candidate.path).read_bytes()
        width, height = inspect(data)
    except Unusable as error:
        return Excluded(candidate.path, str(error))
    except OSError as error:
        return Excluded(candidate.path, f"cannot be read ({error.strerror})")
    return Item(candidate.path, -1, len(data), hashlib.sha256(data).hexdigest(), width, height)


def _require_enough(listing: Listing, classes: list[str], splits: set[str]) -> None:
    if not classes:
        found = len(listing.candidates) + len(listing.excluded)
        raise BadInput(
            f"{shown(listing.root)}: none of the {found} image files there can be used; "
            "JPEG files are needed, as CLASS/NAME.jpg or as train/CLASS/NAME.jpg with test/CLASS/NAME.jpg"
        )
    if len(classes) < 2 and {"train", "test"} <= splits:
        only = shown(classes[0])
        raise BadInput(f"{shown(listing.root)}: only the class {only} has images; training needs two or more")


def _left_out(listing: Listing, splits: dict[str, list[tuple[str, Item]]]) -> Iterator[str]:
    for split, class_name in listing.class_folders:
        if not any(name == class_name for name, _ in splits.get(split, [])):
            where = class_name if split == "all" else f"{split}/{class_name}"
            yield f"class folder {shown(where)} holds no usable image and is left out"


def _report(manifest: Manifest, strict: bool) -> None:
    """Print a summary. With `strict`, raise BadInput if an image is excluded."""
    counts = ", ".join(f"{split}: {len(items):,}" for split, items in sorted(manifest.splits.items()))
    say(f"{len(manifest.classes):,} classes, images in {counts}; {len(manifest.excluded):,} excluded")
    lines = [f"warning: {warning}" for warning in manifest.warnings]
    lines += [f"excluded: {shown(entry.path)}: {entry.reason}" for entry in manifest.excluded]
    for line in lines[:SHOWN]:
        say(line)
    if len(lines) > SHOWN:
        say(f"… and {len(lines) - SHOWN:,} more, all in the manifest")
    if strict and manifest.excluded:
        raise BadInput(f"{len(manifest.excluded):,} images are excluded and --strict was given; repair or remove them")
