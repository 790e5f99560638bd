"""Reads a CIFAR-100 archive in one pass, in memory. No file is ever written under a name from the archive."""

import gzip
import re
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from dataset_prep.console import shown
from dataset_prep.errors import BadInput
from dataset_prep.unpickle import load, pixels

SIDE = 32
ROW = 3 * SIDE * SIDE
WANTED = ("train", "test", "meta")
MAX_MEMBERS = 64
MAX_UNPACKED = 512 * 2**20
"""The official archive unpacks to 186 MB. A much larger archive is a bomb, or not CIFAR-100."""
CLASS_NAME = re.compile(rb"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Split:
    """Images as rows of bytes (red, green and blue plane), and their class numbers."""

    rows: NDArray[np.uint8]
    labels: list[int]


class _Bounded(gzip.GzipFile):
    """Refuses to unpack more than MAX_UNPACKED bytes."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0 or self.tell() + size > MAX_UNPACKED:
            raise BadInput(f"it unpacks to more than {MAX_UNPACKED:,} bytes")
        return super().read(size)


def read_archive(path: Path) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Class names, and the splits `train` and `test`, of an archive in CIFAR-100's format. Raises BadInput."""
    try:
        with path.open("rb") as file, _Bounded(fileobj=file, mode="rb") as unpacked:
            members = _wanted(unpacked)
    except BadInput as error:
        raise BadInput(f"{shown(path)}: refused, nothing was written: {error}") from error
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        raise BadInput(f"{shown(path)}: not a readable tar.gz archive ({error})") from error
    if missing := [name for name in WANTED if name not in members]:
        raise BadInput(f"{shown(path)}: has no {' and no '.join(missing)}; an archive like CIFAR-100's is needed")
    classes = _class_names(load(members.pop("meta"), f"{shown(path)}, meta"), path)
    splits = ("train", "test")
    return classes, {name: _split(members.pop(name), f"{shown(path)}, {name}", len(classes)) for name in splits}


def _wanted(unpacked: gzip.GzipFile) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    total = 0
    with tarfile.open(fileobj=unpacked, mode="r:") as archive:
        for number, member in enumerate(archive, 1):
            _require_harmless(member)
            total += member.size
            if number > MAX_MEMBERS or total > MAX_UNPACKED:
                raise BadInput(f"it unpacks to more than {MAX_MEMBERS} members or {MAX_UNPACKED:,} bytes")
            name = PurePosixPath(member.name).name
            if name in WANTED and member.isfile():
                if name in members:
                    raise BadInput(f"it holds {name} twice")
                content = archive.extractfile(member)
                assert content is not None
                members[name] = content.read(member.size)
    return members


def _require_harmless(member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise BadInput(f"member {shown(member.name)} would be written outside the folder")
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        raise BadInput(f"member {shown(member.name)} is a link, a device or another special file")


def _class_names(meta: dict[object, object], path: Path) -> tuple[str, ...]:
    names = meta.get(b"fine_label_names")
    if not isinstance(names, list) or len(names) < 2 or len(set(map(str, names))) != len(names):
        raise BadInput(f"{shown(path)}, meta: lists no distinct class names")
    for name in names:
        if not isinstance(name, bytes) or not CLASS_NAME.fullmatch(name):
            raise BadInput(f"{shown(path)}, meta: {name!r} cannot be a class folder's name")
    return tuple(name.decode("ascii") for name in names)


def _split(data: bytes, what: str, classes: int) -> Split:
    pickled = load(data, what)
    rows = pixels(pickled.get(b"data"), what, ROW)
    labels = pickled.get(b"fine_labels")
    if not isinstance(labels, list) or len(labels) != len(rows):
        raise BadInput(f"{what}: has not one label for each of its {len(rows):,} images")
    if not all(type(label) is int and 0 <= label < classes for label in labels):
        raise BadInput(f"{what}: has labels outside its {classes} classes")
    return Split(rows, labels)
