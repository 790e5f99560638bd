"""From a stream of encoded images to a finished data set: whole under its name, or not there at all."""

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
from runners.harness.manifest import MANIFEST_NAME, Item, Manifest, ManifestError, read_manifest, write_manifest

PREPARATION = "1"
"""Raised whenever the same options would give other bytes or another choice of images."""
DISK_RESERVE = 64 * 2**20
BLOCK = 4096
"""What the smallest file takes on common file systems; an estimate from bytes alone is far too low."""


@dataclass(frozen=True)
class Picture:
    """One encoded image on its way to `<split>/<class>/<name>`."""

    split: str
    label: int
    name: str
    data: bytes


@dataclass(frozen=True)
class Contents:
    """What a data set is made of; `total` pictures will come."""

    classes: tuple[str, ...]
    pictures: Iterable[Picture]
    total: int


def identity(out: Path) -> str:
    """The data set's name, from its folder's: text that every reader of records takes, whatever bytes that has."""
    text = os.fsencode(out.name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def provenance(**settings: object) -> dict[str, str]:
    """What the bytes depend on. The same provenance means the same data set, so nothing needs doing."""
    facts = {"preparation": PREPARATION, "decoder": decoder()}
    return facts | {name: str(value) for name, value in settings.items()}


def current(out: Path) -> Manifest | None:
    """The manifest that lies in `out`, or None where none is usable."""
    with contextlib.suppress(ManifestError):
        return read_manifest(out / MANIFEST_NAME)
    return None


def ready(out: Path, kind: str, facts: Mapping[str, str]) -> bool:
    """Is this very data set already there, every listed file with its size? Says so where it is."""
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
    """Refuse to replace what this program did not write, or a data set of another kind unless `force`."""
    if not out.exists() and not out.is_symlink():
        return
    if out.is_symlink() or not out.is_dir():
        raise BadInput(f"{shown(out)} is not a folder; name another with --out")
    names = set(os.listdir(out))
    if not names:
        return
    found = current(out)
    if found is None and MANIFEST_NAME not in names:
        raise BadInput(f"{shown(out)} holds files that were not prepared here; name an empty or new folder with --out")
    if found is None:
        if not force:
            raise BadInput(f"{shown(out)} holds a manifest that cannot be read; --force replaces the whole folder")
        return
    if found.kind != kind and not force:
        raise BadInput(f"{shown(out)} holds another data set ({found.kind}); name another --out, or --force to replace")
    if strangers := sorted(names - set(found.splits) - {MANIFEST_NAME}):
        raise BadInput(f"{shown(out)} also holds {shown(strangers[0])}, not prepared here; move it away first")


def require_space(folder: Path, images: int, image_bytes: int, extra: int = 0) -> None:
    """Exit 3 before anything is written where the disk is plainly too small."""
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
def workshop(out: Path) -> Iterator[Path]:
    """An empty folder beside `out` that takes its name when the block ends well and vanishes when it does not.

    A lock on the folder itself keeps a second preparation out; it ends with its holder, however that dies,
    so what a killed preparation left is cleared by the next one.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    shop = out.with_name(f".{out.name}.preparing")
    shop.mkdir(exist_ok=True)
    lock = os.open(shop, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _take(lock, shop, out)
        try:
            _empty(shop)
            yield shop
            _publish(shop, out)
        except BaseException:
            shutil.rmtree(shop, ignore_errors=True)
            raise
    finally:
        os.close(lock)


def build(out: Path, kind: str, facts: dict[str, str], contents: Callable[[], Contents]) -> Path:
    """Write class folders under `out` with their manifest; returns the manifest's path.

    `contents` is asked once the place is ours alone, so that two preparations cannot download into one file.
    """
    splits: dict[str, list[Item]] = {}
    with workshop(out) as folder:
        made = contents()
        for picture in progress(made.pictures, made.total, "images"):
            item = _write(folder, picture, made.classes[picture.label])
            splits.setdefault(picture.split, []).append(item)
        ordered = {split: tuple(sorted(items, key=lambda item: item.path)) for split, items in splits.items()}
        write_manifest(Manifest(identity(out), kind, None, made.classes, ordered, provenance=facts), folder)
    return out / MANIFEST_NAME


def _write(folder: Path, picture: Picture, class_name: str) -> Item:
    width, height = inspect(picture.data)
    relative = f"{picture.split}/{class_name}/{picture.name}"
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture.data)
    digest = hashlib.sha256(picture.data).hexdigest()
    return Item(relative, picture.label, len(picture.data), digest, width, height)


def _take(lock: int, shop: Path, out: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The holder may have published the folder between our open and our lock: then it is no workshop any more.
        ours = os.path.samestat(os.fstat(lock), os.stat(shop))
    except (BlockingIOError, FileNotFoundError):
        ours = False
    if not ours:
        raise NotReady(f"{shown(out)} is being prepared by another process; wait for it to end, then run this again")


def _empty(folder: Path) -> None:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _publish(shop: Path, out: Path) -> None:
    """Give the finished folder its name; the one it replaces is out of the way first, so no mixture is ever seen."""
    old = out.with_name(f".{out.name}.replaced")
    if old.exists():
        shutil.rmtree(old)
    if out.exists():
        out.rename(old)
    shop.rename(out)
    shutil.rmtree(old, ignore_errors=True)
