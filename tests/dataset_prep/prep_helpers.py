"""Small JPEGs, folders and archives in CIFAR's format."""

import io
import tarfile
from pathlib import Path

from PIL import Image

Files = dict[str, bytes]


def encoded(width: int = 24, height: int = 16, mode: str = "RGB", kind: str = "JPEG", **options: object) -> bytes:
    """A small picture with varying pixels, so that a truncated file is noticed."""
    image = Image.effect_noise((width, height), 60).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plant(root: Path, files: Files) -> Path:
    """Write `files` (relative path → content) under `root`."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def _short(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text


def _numbers(values: list[int]) -> bytes:
    return b"](" + b"".join(b"K" + bytes([value]) for value in values) + b"e"


def _array(rows: int, columns: int, raw: bytes) -> bytes:
    """An array as Python 2 pickled it: reconstruct, then a state with a dtype."""
    shape = b"J" + rows.to_bytes(4, "little") + b"J" + columns.to_bytes(4, "little") + b"\x86"
    dtype = b"cnumpy\ndtype\n" + _short(b"u1") + b"K\x00K\x01\x87R(K\x03" + _short(b"|")
    dtype += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _short(b"b") + b"\x87R"
    return start + b"(K\x01" + shape + dtype + b"\x89T" + len(raw).to_bytes(4, "little") + raw + b"tb"


def cifar_split(labels: list[int], raw: bytes | None = None, columns: int = 3072) -> bytes:
    """A pickle of a split, opcode by opcode in the format of the official archive."""
    if raw is None:
        raw = bytes((7 * at + 31 * label) % 256 for label in labels for at in range(columns))
    pairs = _short(b"data") + _array(len(labels), columns, raw) + _short(b"fine_labels") + _numbers(labels)
    return b"\x80\x02}(" + pairs + b"u."


def cifar_meta(names: list[bytes]) -> bytes:
    return b"\x80\x02}(" + _short(b"fine_label_names") + b"](" + b"".join(map(_short, names)) + b"eu."


def cifar_members(**changed: bytes) -> Files:
    members = {
        "train": cifar_split([0, 1, 2, 1]),
        "test": cifar_split([2, 0]),
        "meta": cifar_meta([b"apple", b"bee", b"maple_tree"]),
    }
    return {f"cifar-100-python/{name}": data for name, data in (members | changed).items()}


def tar_gz(path: Path, members: Files, *special: tarfile.TarInfo) -> Path:
    """An archive with `special` members first, which must stop the reading of all members after them."""
    with tarfile.open(path, "w:gz") as archive:
        for info in special:
            archive.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path
