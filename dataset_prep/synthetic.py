"""Synthetic images: either with the sizes and the spectrum of photographs, or small images with classes to learn."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_prep.build import Contents, Picture, build, provenance, ready, require_replaceable, require_space
from dataset_prep.noise import Ints, Stream, octaves
from dataset_prep.parallel import in_order

KIND = "synthetic"
MEAN = 117
PHOTO_CLASSES = 16
PHOTO_QUALITY = 93
PHOTO_OCTAVES = (430, 400, 260, 190, 165)
"""Contrast of the five coarsest octaves. Together with DETAIL the spectrum falls as f^-1.2, as in web photographs."""
DETAIL = (
    (165, 168, 175, 180), (155, 150, 148, 145), (155, 150, 130, 109), (155, 131, 111, 91),
    (145, 122, 92, 63), (136, 112, 74, 36), (126, 84, 46, 18),
)  # fmt: skip
"""Contrast of the four finest octaves, one row for an image: photographs differ most in their fine detail."""
PHOTO_SIZES = (
    *[(500, 375)] * 9, *[(500, 333)] * 6, (500, 400), (400, 300), (640, 480),
    *[(375, 500)] * 4, *[(333, 500)] * 3, (300, 400), (500, 500),
)  # fmt: skip
"""Width and height, with the frequencies of ImageNet: two thirds landscape, a quarter portrait."""

LABELLED_SIDE = 64
LABELLED_QUALITY = 75
LABELLED_OCTAVES = (80, 80, 90, 100, 110, 110)
CLASS_OCTAVES = (0, 120, 170, 150, 60)
"""Contrast of a class's own pattern, down to cells of four pixels."""
PROTOTYPE_SIDE = 80
"""The side of a class's pattern. An image shows a part of it, so a network has to learn to ignore position."""


@dataclass(frozen=True)
class Photos:
    """Photograph-sized images for `load`, all in one split. Their classes mean nothing."""

    images: int = 256
    seed: int = 25


@dataclass(frozen=True)
class Labelled:
    """64x64 images for `fit`, with the splits `train` and `test`. Every class has a pattern of its own."""

    classes: int = 100
    train_per_class: int = 20
    test_per_class: int = 5
    seed: int = 25


def prepare_photos(out: Path, options: Photos, force: bool = False) -> Path:
    """Write the photograph-sized set. Returns the manifest's path."""
    facts = provenance(shape="photos", images=options.images, seed=options.seed, quality=PHOTO_QUALITY)
    if not force and ready(out, KIND, facts):
        return out / "manifest.json"
    require_replaceable(out, KIND, force)
    require_space(out, options.images, 180_000)
    classes = tuple(f"class_{label:02d}" for label in range(min(PHOTO_CLASSES, options.images)))

    def picture(number: int) -> Picture:
        return Picture("train", number % len(classes), f"{number:05d}.jpg", photo(options.seed, number))

    pictures = in_order(picture, range(options.images))
    return build(out, KIND, facts, lambda: Contents(classes, pictures, options.images))


def prepare_labelled(out: Path, options: Labelled, force: bool = False) -> Path:
    """Write the labelled set. Returns the manifest's path."""
    facts = provenance(
        shape="labelled", classes=options.classes, train_per_class=options.train_per_class,
        test_per_class=options.test_per_class, seed=options.seed, quality=LABELLED_QUALITY,
    )  # fmt: skip
    if not force and ready(out, KIND, facts):
        return out / "manifest.json"
    require_replaceable(out, KIND, force)
    total = options.classes * (options.train_per_class + options.test_per_class)
    require_space(out, total, 4096)
    classes = tuple(f"class_{label:03d}" for label in range(options.classes))

    def pictures() -> Iterator[Picture]:
        for label in range(options.classes):
            prototype = _prototype(options.seed, label)
            for code, split, count in ((0, "train", options.train_per_class), (1, "test", options.test_per_class)):
                for number in range(count):
                    stream = Stream(options.seed, 3, label, code, number)
                    yield Picture(split, label, f"{number:05d}.jpg", _labelled(stream, prototype))

    return build(out, KIND, facts, lambda: Contents(classes, pictures(), total))


def photo(seed: int, number: int) -> bytes:
    """A JPEG with a photograph's size and spectrum. As on the web, one in four has halved colour resolution."""
    stream = Stream(seed, 1, number)
    width, height = PHOTO_SIZES[stream.below(len(PHOTO_SIZES))]
    weights = PHOTO_OCTAVES + DETAIL[stream.below(len(DETAIL))]
    subsampling = "4:2:0" if stream.below(4) == 0 else "4:4:4"
    return _jpeg(_colours(stream, height, width, weights) >> 10, PHOTO_QUALITY, subsampling)


def _colours(stream: Stream, height: int, width: int, weights: Sequence[int]) -> Ints:
    """Red, green and blue, correlated as in photographs: much brightness, little colour, even less in fine detail."""
    fading = [*weights[:-2], weights[-2] // 2, weights[-1] // 4]
    light = octaves(stream, height, width, weights)
    warm = octaves(stream, height, width, [weight * 9 // 32 for weight in fading])
    green = octaves(stream, height, width, [weight // 9 for weight in fading])
    return np.stack([light + warm + green, light - 2 * green, light - warm + green], axis=-1)


def _prototype(seed: int, label: int) -> Ints:
    """A class's own pattern: the octaves of an image without the two finest."""
    return _colours(Stream(seed, 2, label), PROTOTYPE_SIDE, PROTOTYPE_SIDE, [*CLASS_OCTAVES, 0, 0])


def _labelled(stream: Stream, prototype: Ints) -> bytes:
    """A part of the class's pattern, mirrored half of the time, plus noise of this image."""
    top, left = (stream.below(PROTOTYPE_SIDE - LABELLED_SIDE + 1) for _ in range(2))
    part = prototype[top : top + LABELLED_SIDE, left : left + LABELLED_SIDE]
    if stream.below(2):
        part = part[:, ::-1]
    noise = _colours(stream, LABELLED_SIDE, LABELLED_SIDE, LABELLED_OCTAVES)
    return _jpeg((part + noise) >> 10, LABELLED_QUALITY, "4:2:0")


def _jpeg(deviations: Ints, quality: int, subsampling: str) -> bytes:
    pixels: NDArray[np.uint8] = np.clip(deviations + MEAN, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()
