"""Any data set in class folders. The images stay where they are; the manifest lists the images that are used."""

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dataset_prep.build import current, identity, provenance, ready, require_writable
from dataset_prep.classes import LEARNT
from dataset_prep.classes import warnings as classes_warnings
from dataset_prep.console import progress, say, shown
from dataset_prep.deeper import best_home
from dataset_prep.errors import BadInput
from dataset_prep.jpeg import Unusable
from dataset_prep.listing import Candidate, Listing, list_images
from dataset_prep.parallel import in_order
from dataset_prep.validate import MAX_BYTES, inspect
from runners.harness.manifest import MANIFEST_NAME, Excluded, Item, Manifest, is_manifest, write_manifest

KIND = "folder"
SHOWN = 20
"""How many exclusions and warnings are printed. The manifest holds all of them."""

Usable = dict[str, list[tuple[str, Item]]]
"""The usable images of each split, each with the name of its class."""


@dataclass(frozen=True)
class Options:
    """`limit` is the largest number of images of a split, taken evenly from its classes."""

    limit: int | None = None
    strict: bool = False
    force: bool = False


def prepare(source: Path, out: Path, options: Options) -> Path:
    """Validate every image under `source` and write `out`/manifest.json. Returns the manifest's path."""
    if os.path.realpath(out) == os.path.realpath(source):
        raise BadInput(f"{shown(out)} holds the images, and nothing is written there; name another folder with --out")
    listing = list_images(source, options.limit)
    facts = provenance(listing=_fingerprint(listing), limit=options.limit)
    if not options.force and ready(out, KIND, facts):
        found = current(out)
        assert found is not None
        _report(found, options.strict)
        return out / MANIFEST_NAME
    _require_replaceable(out, options.force)
    require_writable(out)
    manifest = _validated(listing, identity(out), facts)
    _report(manifest, options.strict)
    out.mkdir(parents=True, exist_ok=True)
    try:
        return write_manifest(manifest, out)
    except BaseException:
        with contextlib.suppress(OSError):
            out.rmdir()  # Which is refused unless the folder is empty.
        raise


def _fingerprint(listing: Listing) -> str:
    """A digest that changes if a file is added, removed or written. It needs no file contents."""
    total = hashlib.sha256()
    for part in (listing.root, *listing.candidates, *listing.class_folders, *listing.excluded, *listing.warnings):
        total.update(f"{part!r}\n".encode())
    return "sha256:" + total.hexdigest()


def _require_replaceable(out: Path, force: bool) -> None:
    """Raise BadInput if `out` holds a manifest of another kind, whose images in the same folder would lose it."""
    if out.exists() and not out.is_dir():
        raise BadInput(f"{shown(out)} is not a folder; name another with --out")
    found = current(out)
    if found is not None and found.kind != KIND:
        raise BadInput(f"{shown(out)} holds a data set of kind {found.kind}; name another folder with --out")
    path = out / MANIFEST_NAME
    if os.path.lexists(path) and not is_manifest(path):
        raise BadInput(f"{shown(path)} was not written here; name another folder with --out")
    if found is None and path.exists() and not force:
        raise BadInput(f"{shown(path)} cannot be read as a manifest; --force replaces it")


def _validated(listing: Listing, name: str, facts: dict[str, str]) -> Manifest:
    root = Path(listing.root)

    def validated(candidate: Candidate) -> tuple[Candidate, Item | Excluded]:
        return candidate, _item(root, candidate)

    usable: Usable = {}
    excluded = list(listing.excluded)
    results = in_order(validated, listing.candidates)
    for candidate, result in progress(results, len(listing.candidates), "images validated"):
        if isinstance(result, Excluded):
            excluded.append(result)
        else:
            usable.setdefault(candidate.split, []).append((candidate.class_name, result))
    _require_images(listing, usable, excluded)
    left_out = list(_left_out(listing, usable))
    excluded += _take_out_unlearnt(usable)
    names = {split: {name for name, _ in items} for split, items in usable.items()}
    classes = sorted(set().union(*names.values()), key=os.fsencode)
    if len(classes) < 2 and {LEARNT, "test"} <= usable.keys():
        raise BadInput(
            f"{shown(listing.root)}: only the class {shown(classes[0])} has images; training needs two or more"
        )
    warnings = [*listing.warnings, *left_out, *classes_warnings(names)]
    label = {name: number for number, name in enumerate(classes)}
    labelled = {
        split: tuple(Item(**(vars(item) | {"label": label[name]})) for name, item in items)
        for split, items in usable.items()
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


def _require_images(listing: Listing, usable: Usable, excluded: list[Excluded]) -> None:
    """Raise BadInput, with what there is instead, if there is no usable image at all, or none in a split to learn."""
    unlearnable = LEARNT not in usable and any(folder.split == LEARNT for folder in listing.class_folders)
    if usable and not unlearnable:
        return
    folders = [folder for folder in listing.class_folders if folder.split == LEARNT or not usable]
    where = LEARNT if usable else listing.root
    deeper = sum((folder.deeper for folder in folders), Counter[str]())
    if home := best_home(deeper):
        raise BadInput(
            f"{shown(where)}: no class folder there holds a usable image, but {deeper.total():,} images lie deeper; "
            f"give {shown(os.path.join(listing.root, home))}, which has class folders with {deeper[home]:,} of them"
        )
    if deeper:
        raise BadInput(
            f"{shown(where)}: no class folder there holds a usable image, but {deeper.total():,} images lie deeper, "
            f"such as in folders of {shown(next(iter(deeper)))}; give the folder right above the class folders, or "
            "move the images up into them"
        )
    reasons = ", ".join(f"{count:,} × {why}" for why, count in Counter(one.reason for one in excluded).most_common(3))
    raise BadInput(
        f"{shown(where)}: none of the {len(excluded):,} image files there can be used{reasons and f' ({reasons})'}; "
        "JPEG files are needed, as CLASS/NAME.jpg or as train/CLASS/NAME.jpg with test/CLASS/NAME.jpg"
    )


def _take_out_unlearnt(usable: Usable) -> list[Excluded]:
    """Take the images out whose class has no usable image in `train`. Returns them."""
    if LEARNT not in usable:
        return []
    learnt = {name for name, _ in usable[LEARNT]}
    taken: list[Excluded] = []
    for split, items in list(usable.items()):
        usable[split] = [(name, item) for name, item in items if name in learnt]
        taken += [
            Excluded(item.path, f"{LEARNT} has no image of its class") for name, item in items if name not in learnt
        ]
        if not usable[split]:
            del usable[split]
    return taken


def _left_out(listing: Listing, usable: Usable) -> Iterator[str]:
    used = {(split, name) for split, items in usable.items() for name, _ in items}
    chosen = {(candidate.split, candidate.class_name) for candidate in listing.candidates}
    for folder in listing.class_folders:
        key = folder.split, folder.class_name
        if folder.images and key not in chosen:
            yield f"class folder {shown(folder.path)} is left out: --limit is reached without it"
        elif key not in used:
            deeper = f"; {folder.deeper.total():,} images lie deeper inside it" if folder.deeper else ""
            yield f"class folder {shown(folder.path)} holds no usable image and is left out{deeper}"


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
