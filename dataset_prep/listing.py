"""Lists the images in a folder of class folders, without opening them."""

import itertools
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dataset_prep.classes import LEARNT, require_known
from dataset_prep.console import shown
from dataset_prep.deeper import images_below
from dataset_prep.errors import BadInput
from dataset_prep.names import JPEG_SUFFIXES, OTHER_IMAGE_SUFFIXES, SYSTEM_FOLDERS, is_hidden, suffix
from runners.harness.manifest import MANIFEST_NAME, Excluded, is_manifest, split_of

WHOLE = "all"


@dataclass(frozen=True)
class Candidate:
    """A regular file with a JPEG's suffix."""

    split: str
    class_name: str
    path: str
    bytes: int
    modified_ns: int


@dataclass(frozen=True)
class ClassFolder:
    """A class folder and its number of candidates. If it holds no image, `deeper` counts those in folders inside it."""

    split: str
    class_name: str
    path: str
    images: int
    deeper: Counter[str]


@dataclass
class Listing:
    """The candidates, sorted by the bytes of their paths so that the locale does not matter, and the exclusions."""

    root: str
    candidates: list[Candidate] = field(default_factory=list)
    class_folders: list[ClassFolder] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def list_images(source: Path, limit: int | None = None) -> Listing:
    """List the images under `source`.

    If it has folders named as splits (train, val, test) that hold class folders, these are its splits. Otherwise it
    holds the class folders itself. Raises BadInput.
    """
    if not source.exists():
        raise BadInput(f"{shown(source)}: no such folder; give the folder that holds the class folders")
    if not source.is_dir():
        raise BadInput(f"{shown(source)}: not a folder; unpack archives first")
    listing = Listing(os.path.realpath(source))
    try:
        top = _entries(listing.root)
        splits = _splits(listing.root, top)
    except OSError as error:
        where = shown(error.filename or source)
        raise BadInput(f"{where}: cannot be read ({error.strerror}); give yourself access or leave it out") from error
    _note_foreign_manifest(listing)
    if not splits:
        _note_flat_splits(listing, top)
        _list_split(listing, WHOLE, "", top, limit)
        return listing
    _note_ignored(listing, top, [entry for entry, _ in splits.values()])
    for split, (entry, inside) in splits.items():
        _list_split(listing, split, f"{entry.name}/", inside, limit)
    _require_known_classes(listing)
    return listing


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """The entries of `folder` without hidden names, sorted by bytes."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not is_hidden(entry.name)]
    return sorted(visible, key=lambda entry: os.fsencode(entry.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether the entry is a folder or a link to one. Unlike DirEntry.is_dir, a loop of links is no error."""
    return entry.is_dir(follow_symlinks=False) or os.path.isdir(entry.path)


def _splits(root: str, top: Iterable[os.DirEntry[str]]) -> dict[str, tuple[os.DirEntry[str], list[os.DirEntry[str]]]]:
    """The folder of each split, with its entries. Raises BadInput if it lies elsewhere, or two are the same split."""
    splits: dict[str, tuple[os.DirEntry[str], list[os.DirEntry[str]]]] = {}
    for entry in top:
        split = split_of(entry.name)
        if split is None or not (_is_folder(entry) or entry.is_symlink()):
            continue
        if reason := _strays(root, entry):
            raise BadInput(f"{shown(entry.path)}: {reason}; put the folder itself there, or move the link away")
        inside = _entries(entry.path)
        if not any(map(_is_folder, inside)):
            continue
        if split in splits:
            both = f"{shown(splits[split][0].path)} and {shown(entry.path)}"
            raise BadInput(f"{both} are both the split {split}; move one of them away")
        splits[split] = entry, inside
    return splits


def _note_foreign_manifest(listing: Listing) -> None:
    path = os.path.join(listing.root, MANIFEST_NAME)
    if os.path.lexists(path) and not is_manifest(Path(path)):
        listing.warnings.append(
            f"{MANIFEST_NAME} was not written by this program and is ignored; class folders are read"
        )


def _note_flat_splits(listing: Listing, top: Iterable[os.DirEntry[str]]) -> None:
    for entry in top:
        if split_of(entry.name) and _is_folder(entry):
            listing.warnings.append(f"folder {shown(entry.name)} has no class folders, so it is read as a class")


def _note_ignored(listing: Listing, top: Iterable[os.DirEntry[str]], splits: list[os.DirEntry[str]]) -> None:
    for entry in top:
        if entry not in splits and _is_folder(entry):
            taken = ", ".join(split.name for split in splits)
            listing.warnings.append(f"folder {shown(entry.name)} is ignored: it lies beside the splits {taken}")


def _require_known_classes(listing: Listing) -> None:
    """Raise BadInput, before any image is read, if a split has images of a class that `train` has no folder for."""
    if not any(folder.images for folder in listing.class_folders if folder.split == LEARNT):
        return
    folders: dict[str, set[str]] = {}
    for folder in listing.class_folders:
        if folder.images or folder.split == LEARNT:
            folders.setdefault(folder.split, set()).add(folder.class_name)
    require_known(folders)


def _list_split(
    listing: Listing, split: str, prefix: str, entries: Iterable[os.DirEntry[str]], limit: int | None
) -> None:
    by_class: dict[str, list[Candidate]] = {}
    for entry in entries:
        path = prefix + entry.name
        if not _is_folder(entry):
            if suffix(entry.name) in JPEG_SUFFIXES:
                listing.excluded.append(Excluded(path, "lies outside any class folder"))
            elif entry.is_symlink() and not os.path.exists(entry.path):
                listing.warnings.append(f"symbolic link {shown(path)} leads to nothing and is ignored")
        elif entry.name in SYSTEM_FOLDERS:
            listing.warnings.append(f"folder {shown(path)} belongs to the operating system and is ignored")
        else:
            # macOS stores an accent as a letter of its own, so one class can come with two spellings.
            class_name = unicodedata.normalize("NFC", entry.name)
            by_class.setdefault(class_name, []).extend(_list_class(listing, split, class_name, entry, path))
    evenly = (candidate for row in itertools.zip_longest(*by_class.values()) for candidate in row if candidate)
    listing.candidates += sorted(itertools.islice(evenly, limit), key=lambda candidate: os.fsencode(candidate.path))


def _list_class(listing: Listing, split: str, class_name: str, folder: os.DirEntry[str], path: str) -> list[Candidate]:
    try:
        entries = _entries(folder.path) if _inside(listing, folder, path) else []
    except OSError as error:
        listing.excluded.append(Excluded(path, f"folder that cannot be read ({error.strerror})"))
        entries = []
    before = len(listing.excluded)
    candidates = list(_list_files(listing, split, class_name, entries, path))
    deeper: Counter[str] = Counter()
    if any(entry.is_dir(follow_symlinks=False) and entry.name not in SYSTEM_FOLDERS for entry in entries):
        if candidates or len(listing.excluded) > before:
            listing.warnings.append(f"folders inside the class folder {shown(path)} are ignored")
        else:
            deeper = images_below(listing.root, path)
    listing.class_folders.append(ClassFolder(split, class_name, path, len(candidates), deeper))
    return candidates


def _list_files(
    listing: Listing, split: str, class_name: str, entries: Iterable[os.DirEntry[str]], folder: str
) -> Iterator[Candidate]:
    for entry in entries:
        path = f"{folder}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            continue
        if suffix(entry.name) in OTHER_IMAGE_SUFFIXES:
            listing.excluded.append(Excluded(path, f"not a JPEG: {suffix(entry.name)[1:]} by its name"))
        elif suffix(entry.name) in JPEG_SUFFIXES and _inside(listing, entry, path):
            try:
                facts = os.stat(entry.path)
            except OSError as error:
                listing.excluded.append(Excluded(path, f"cannot be read ({error.strerror})"))
                continue
            if stat.S_ISREG(facts.st_mode):
                yield Candidate(split, class_name, path, facts.st_size, facts.st_mtime_ns)
            else:
                listing.excluded.append(Excluded(path, "not a regular file"))


def _inside(listing: Listing, entry: os.DirEntry[str], path: str) -> bool:
    """Whether the entry stays within the root. If not, the listing gets the reason."""
    reason = _strays(listing.root, entry)
    if reason:
        listing.excluded.append(Excluded(path, reason))
    return reason is None


def _strays(root: str, entry: os.DirEntry[str]) -> str | None:
    """The reason why a link would not stay within the root wherever the root is mounted; None if it stays."""
    if not entry.is_symlink():
        return None
    target = os.path.realpath(entry.path)
    if os.path.commonpath([target, root]) != root:
        return "symbolic link that leaves the data's folder"
    if os.path.isabs(os.readlink(entry.path)):
        return "absolute symbolic link: it would point nowhere where the folder is mounted elsewhere"
    return None if os.path.exists(target) else "symbolic link to nothing"
