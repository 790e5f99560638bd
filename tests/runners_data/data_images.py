"""Small folders of JPEGs of every kind that loaders must decode alike, made from a formula."""

import hashlib
import os
from pathlib import Path

import numpy as np
from PIL import Image

from runners.harness.manifest import Item, Manifest, write_manifest

ROTATED = 6
ORIENTATION = 0x0112


def picture(width: int, height: int, phase: float = 0.0) -> Image.Image:
    """Soft waves with one sharp edge, different in each colour."""
    y, x = np.mgrid[0:height, 0:width] / 40.0
    planes = [np.sin(x * (1 + k) + phase) + np.cos(y * (2 - k / 2) + phase * k) for k in range(3)]
    pixels = np.stack(planes, axis=2) * 50 + 128
    pixels[: height // 3, : width // 4] *= 0.5
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_kinds(folder: Path) -> list[str]:
    """Write an image of each kind. Returns their names in order; they include a space, an accent, and invalid UTF-8."""
    folder.mkdir(parents=True)
    exif = Image.Exif()
    exif[ORIENTATION] = ROTATED
    kinds = {
        "a plain one.jpg": (picture(320, 240), {}),
        "broad-äö.jpg": (picture(501, 199, 1), {"subsampling": 0}),
        "cmyk.jpg": (picture(300, 300, 2).convert("CMYK"), {"subsampling": 0}),
        "exif.jpg": (picture(280, 400, 3), {"exif": exif}),
        "gray.jpg": (picture(260, 260, 4).convert("L"), {}),
        "progressive.jpg": (picture(333, 250, 5), {"progressive": True}),
        os.fsdecode(b"raw-\xff.jpg"): (picture(240, 320, 6), {"subsampling": 1}),
        "small.jpg": (picture(120, 90, 7), {"subsampling": 0}),
    }
    for name, (image, options) in kinds.items():
        with open(folder / name, "wb") as file:
            image.save(file, "JPEG", quality=95, **options)
    return list(kinds)


def describe(root: Path, folder: Path, splits: dict[str, list[tuple[str, int]]]) -> Path:
    """Write the manifest of the (path, label) pairs. Returns its path."""
    items = {split: tuple(_item(root, path, label) for path, label in pairs) for split, pairs in splits.items()}
    classes = sorted({label for pairs in splits.values() for _, label in pairs})
    folder.mkdir(parents=True, exist_ok=True)
    return write_manifest(Manifest("tiny", "folder", str(root), tuple(map(str, classes)), items), folder)


def _item(root: Path, path: str, label: int) -> Item:
    data = (root / path).read_bytes()
    return Item(path, label, len(data), hashlib.sha256(data).hexdigest(), 0, 0)
