"""Writes a stream of encoded images as a finished data set: completely under its name, or not at all."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataset_prep.console import progress, say, shown
from dataset_prep.errors import BadInput, NotReady
from dataset_prep.validate import decoder, inspect
from runners.harness.manifest import (
    MANIFEST_NAME,
    Item,
    Manifest,
    ManifestError,
    is_manifest,
    read_manifest,
    write_manifest,
)

PREPARATION = "1"
"""A version, to be raised if the same options give other bytes or other images."""
WRITTEN_SPLITS = {"train", "test"}
"""The folders of images that a data set made here can have, for one whose manifest cannot be read."""
DISK_RESERVE = 64 * 2**20
BLOCK = 4096
"""Bytes that the smallest file takes on common file systems. An estimate from sizes alone is far too low."""


@dataclass(frozen=True)
class Picture:
    """One encoded image, to be written to `<split>/<class>/<name>`."""

    split: str
    label: int
    name: str
    data: bytes


@dataclass(frozen=True)
class Contents:
    """The contents of a data set: its classes, and `total` pictures."""

    classes: tuple[str, ...]
    pictures: Iterable[Picture]
    total: int


def identity(out: Path) -> str:
    """The data set's name: its folder's name, with every byte escaped that is not printable text."""
    text = os.fsencode(out.name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def provenance(**settings: object) -> dict[str, str]:
    """Everything on which the bytes depend. A data set with the same provenance need not be prepared again."""
    facts = {"preparation": PREPARATION, "decoder": decoder()}
    return facts | {name: str(value) for name, value in settings.items()}


def current(out: Path) -> Manifest | None:
    """The manifest in `out`, or None if there is no usable manifest."""
    with contextlib.suppress(ManifestError):
        return read_manifest(out / MANIFEST_NAME)
    return None


def ready(out: Path, kind: str, facts: Mapping[str, str]) -> bool:
    """Whether exactly this data set exists already, every listed file with its size. If so, it tells the user."""
    found = current(out)
    if found is None or found.kind != kind or found.provenance != dict(facts):
        return False
    root = out if found.root is None else Path(found.root)
    for items in found.splits.values():
        for item in items:
            try:
                if os.stat(root / item.path).st_size != item.bytes:
                    return False
            except OSError:
                return False
    say(f"{shown(out)} is up to date, nothing to do (--force prepares it again)")
    return True


def require_replaceable(out: Path, kind: str, force: bool) -> None:
    """Raise BadInput if `out` holds files that this program did not write, or, without `force`, another data set."""
    if not out.exists() and not out.is_symlink():
        return
    if out.is_symlink() or not out.is_dir():
        raise BadInput(f"{shown(out)} is not a folder; name another with --out")
    names = set(os.listdir(out))
    if not names:
        return
    if not is_manifest(out / MANIFEST_NAME):
        raise BadInput(f"{shown(out)} holds files that were not prepared here; name an empty or new folder with --out")
    found = current(out)
    if found is None and not force:
        raise BadInput(f"{shown(out)} holds a manifest that cannot be read; --force replaces the whole folder")
    if found is not None and found.kind != kind and not force:
        raise BadInput(f"{shown(out)} holds another data set ({found.kind}); name another --out, or --force to replace")
    written = WRITTEN_SPLITS if found is None else found.splits.keys()
    if foreign := sorted(names - written - {MANIFEST_NAME}):
        raise BadInput(f"{shown(out)} also holds {shown(foreign[0])}, not prepared here; move it away first")


def require_writable(out: Path) -> None:
    """Raise NotReady, before images are read for minutes, if nothing could be written to `out` in the end."""
    folder = out
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise NotReady(f"{shown(folder)} cannot be written by this user; name another folder with --out")


def require_space(folder: Path, images: int, image_bytes: int, extra: int = 0) -> None:
    """Raise NotReady, before anything is written, if the disk is too small for `images` of `image_bytes` each."""
    need = images * -(-image_bytes // BLOCK) * BLOCK + images * 300 + extra + DISK_RESERVE
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < need:
        raise NotReady(
            f"{shown(folder)}: about {need / 2**20:,.0f} MiB are needed, {free / 2**20:,.0f} MiB are free; "
            "make room or name a folder on another disk with --out"
        )


@contextlib.contextmanager
def staging(out: Path) -> Iterator[Path]:
    """An empty folder that is renamed to `out` if the `with` block succeeds, and removed if it fails.

    A lock on the folder keeps a second preparation out. The lock ends with the process, even if that is killed, so the
    next preparation can clear what a killed preparation left.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}.preparing")
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _lock(descriptor, folder, out)
        try:
            _clear(folder)
            yield folder
            _publish(folder, out)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    finally:
        os.close(descriptor)


def build(out: Path, kind: str, facts: dict[str, str], contents: Callable[[], Contents]) -> Path:
    """Write class folders with their manifest under `out`. Returns the manifest's path.

    `contents` is called after the lock is taken, so that two preparations cannot download into the same file.
    """
    splits: dict[str, list[Item]] = {}
    with staging(out) as folder:
        found = contents()
        for picture in progress(found.pictures, found.total, "images"):
            item = _write(folder, picture, found.classes[picture.label])
            splits.setdefault(picture.split, []).append(item)
        ordered = {split: tuple(sorted(items, key=lambda item: item.path)) for split, items in splits.items()}
        write_manifest(Manifest(identity(out), kind, None, found.classes, ordered, provenance=facts), folder)
    return out / MANIFEST_NAME


def _write(folder: Path, picture: Picture, class_name: str) -> Item:
    width, height = inspect(picture.data)
    relative = f"{picture.split}/{class_name}/{picture.name}"
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture.data)
    digest = hashlib.sha256(picture.data).hexdigest()
    return Item(relative, picture.label, len(picture.data), digest, width, height)


def _lock(descriptor: int, folder: Path, out: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between our open and our lock, the other process may have renamed the folder to `out`.
        ours = os.path.samestat(os.fstat(descriptor), os.stat(folder))
    except (BlockingIOError, FileNotFoundError):
        ours = False
    if not ours:
        raise NotReady(f"{shown(out)} is being prepared by another process; wait for it to end, then run this again")


def _clear(folder: Path) -> None:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _publish(folder: Path, out: Path) -> None:
    """Rename the finished folder to `out`. An old `out` is renamed first, so that nobody ever sees a mixture."""
    old = out.with_name(f".{out.name}.replaced")
    if old.exists():
        shutil.rmtree(old)
    if out.exists():
        out.rename(old)
    folder.rename(out)
    shutil.rmtree(old, ignore_errors=True)
