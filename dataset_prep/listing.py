"""Lists the images in a folder of class folders, without opening them."""

import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dataset_prep.console import shown
from dataset_prep.errors import BadInput
from runners.harness.manifest import Excluded

SPLITS = ("train", "val", "test")
WHOLE = "all"
JPEG_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif"}
OTHER_IMAGE_SUFFIXES = {".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".heic", ".avif"}


@dataclass(frozen=True)
class Candidate:
    """A regular file with a JPEG's suffix."""

    split: str
    class_name: str
    path: str
    bytes: int
    modified_ns: int


@dataclass
class Listing:
    """The candidates, sorted by the bytes of their paths so that the locale does not matter, and the exclusions."""

    root: str
    candidates: list[Candidate] = field(default_factory=list)
    class_folders: list[tuple[str, str]] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def list_images(source: Path, limit: int | None = None) -> Listing:
    """List the images under `source`.

    If it has folders train, val or test that hold class folders, these are its splits. Otherwise it holds the class
    folders itself. Raises BadInput.
    """
    if not source.is_dir():
        raise BadInput(f"{shown(source)}: no such folder; give the folder that holds the class folders")
    listing = Listing(os.path.realpath(source))
    try:
        top = _entries(listing.root)
        splits = [entry for entry in top if entry.name in SPLITS and entry.is_dir() and _has_folder(entry.path)]
        if splits:
            _note_ignored(listing, top, splits)
            for split in splits:
                if _inside(listing, split, split.name):
                    _list_split(listing, split.name, f"{split.name}/", _entries(split.path), limit)
        else:
            _list_split(listing, WHOLE, "", top, limit)
    except OSError as error:
        where = shown(error.filename or source)
        raise BadInput(f"{where}: cannot be read ({error.strerror}); give yourself access or leave it out") from error
    return listing


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """The entries of `folder` without hidden names, sorted by bytes."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted(visible, key=lambda entry: os.fsencode(entry.name))


def _has_folder(folder: str) -> bool:
    return any(entry.is_dir() for entry in _entries(folder))


def _note_ignored(listing: Listing, top: Iterable[os.DirEntry[str]], splits: list[os.DirEntry[str]]) -> None:
    for entry in top:
        if entry not in splits and entry.is_dir():
            taken = ", ".join(split.name for split in splits)
            listing.warnings.append(f"folder {shown(entry.name)} is ignored: it lies beside the splits {taken}")


def _list_split(
    listing: Listing, split: str, prefix: str, entries: Iterable[os.DirEntry[str]], limit: int | None
) -> None:
    by_class: list[list[Candidate]] = []
    for entry in entries:
        if not entry.is_dir():
            if os.path.splitext(entry.name)[1].lower() in JPEG_SUFFIXES:
                listing.excluded.append(Excluded(prefix + entry.name, "lies outside any class folder"))
            continue
        if not _inside(listing, entry, prefix + entry.name):
            continue
        listing.class_folders.append((split, entry.name))
        by_class.append(list(_list_class(listing, split, entry, f"{prefix}{entry.name}/")))
    evenly = (candidate for row in itertools.zip_longest(*by_class) for candidate in row if candidate is not None)
    listing.candidates += sorted(itertools.islice(evenly, limit), key=lambda candidate: os.fsencode(candidate.path))


def _list_class(listing: Listing, split: str, folder: os.DirEntry[str], prefix: str) -> Iterator[Candidate]:
    deeper = False
    for entry in _entries(folder.path):
        path = prefix + entry.name
        suffix = os.path.splitext(entry.name)[1].lower()
        if entry.is_dir(follow_symlinks=False):
            deeper = True
        elif suffix in OTHER_IMAGE_SUFFIXES:
            listing.excluded.append(Excluded(path, f"not a JPEG: {suffix[1:]} by its name"))
        elif suffix in JPEG_SUFFIXES and _inside(listing, entry, path):
            facts = os.stat(entry.path)
            if stat.S_ISREG(facts.st_mode):
                yield Candidate(split, folder.name, path, facts.st_size, facts.st_mtime_ns)
            else:
                listing.excluded.append(Excluded(path, "not a regular file"))
    if deeper:
        listing.warnings.append(f"folders inside the class folder {shown(prefix[:-1])} are ignored")


def _inside(listing: Listing, entry: os.DirEntry[str], path: str) -> bool:
    """Whether the entry stays within the root wherever the root is mounted. If not, the listing gets the reason."""
    if not entry.is_symlink():
        return True
    reason = None
    target = os.path.realpath(entry.path)
    if os.path.commonpath([target, listing.root]) != listing.root:
        reason = "symbolic link that leaves the data's folder"
    elif os.path.isabs(os.readlink(entry.path)):
        reason = "absolute symbolic link: it would point nowhere where the folder is mounted elsewhere"
    elif not os.path.exists(target):
        reason = "symbolic link to nothing"
    if reason:
        listing.excluded.append(Excluded(path, reason))
    return reason is None
