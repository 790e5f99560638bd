"""Training images as the network gets them, flips included: compared with the reference, and some kept to be shown."""

import base64
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from runners.harness.record import FLIPS, MOST_SIDE, DeliveredImages
from runners.harness.workload import Invalid
from runners.reference.labelled import Labelled
from runners.reference.pixels import MEAN_ALLOWED, WORST_ALLOWED, Pixels, reference_pixels

KEPT = 8
COMPARED = 128
"""This many images are compared. With fair flips, one of the four is missing among 64 of them once in 25 million."""
OFF_GRID = 1e-3
"""How far a pixel, times 255, may be from a whole number: float32 rounds at 1e-5."""
FEWEST_CLEAR = COMPARED // 2

_TURNED: dict[str, Callable[[NDArray], NDArray]] = dict(
    zip(FLIPS, (lambda a: a, lambda a: a[:, ::-1], lambda a: a[::-1], lambda a: a[::-1, ::-1]), strict=True)
)

Batches = Iterable[tuple[NDArray, NDArray]]


@dataclasses.dataclass(frozen=True)
class Spread:
    """Images at regular distances over the training split, in their own order, to be read in several `passes`.

    A small split is read more than once, because each pass draws its own flips.
    """

    source: Labelled
    positions: list[int]
    passes: int


def spread_over(source: Labelled) -> Spread:
    """The images of a split to compare. They are read like all others, with cache and flips, but not shuffled."""
    count = min(COMPARED, len(source.paths))
    positions = [index * len(source.paths) // count for index in range(count)]
    chosen = dataclasses.replace(
        source,
        paths=tuple(source.paths[i] for i in positions),
        labels=tuple(source.labels[i] for i in positions),
        shuffle=False,
    )
    return Spread(chosen, positions, -(-COMPARED // count) if source.augment else 1)


def delivered_images(batches: Batches, spread: Spread, channels_first: bool) -> DeliveredImages:
    """Compare all passes of (images in 0…1, classes) with the reference, and keep some images of the first pass.

    Raises Invalid where an image is none of the flips of its reference that the case allows, where its class is wrong,
    or where a flip never comes.
    """
    source, count = spread.source, len(spread.positions)
    step = max(1, count // KEPT)
    shown = range(0, count, step)[:KEPT]
    kept, flips, clear, differences = [], [], [], []
    for number, (pixels, label) in enumerate(_each(batches, channels_first)):
        path = source.paths[number % count]
        if label != source.labels[number % count]:
            raise Invalid("PARITY", f"image {os.path.basename(path)!r} arrives with the wrong class")
        flip, difference, is_clear = _compared(pixels, path, source)
        differences.append(difference)
        if is_clear:
            clear.append(flip)
        if number in shown:
            kept.append(_small(pixels))
            flips.append(flip)
    if len(differences) != count * spread.passes:
        raise Invalid("PARITY", f"{len(differences)} images arrive in {spread.passes} passes of {count} images")
    if np.mean(differences) > MEAN_ALLOWED:
        raise Invalid("PARITY", f"images differ from the reference by {np.mean(differences):.2f} of 255 on average")
    missing = [flip for flip in FLIPS if flip not in clear]
    if source.augment and len(clear) >= FEWEST_CLEAR and missing:
        raise Invalid("PARITY", f"of {len(clear)} augmented images, none arrives with the flip {', '.join(missing)!r}")
    return DeliveredImages(
        side=kept[0].shape[0],
        positions=[spread.positions[index] for index in shown],
        flips=flips,
        rgb=base64.b64encode(b"".join(map(np.ndarray.tobytes, kept))).decode("ascii"),
    )


def _each(batches: Batches, channels_first: bool) -> Iterator[tuple[Pixels, int]]:
    for images, labels in batches:
        for image, label in zip(images, labels, strict=True):
            yield _in_bytes(image.transpose(1, 2, 0) if channels_first else image), int(label)


def _in_bytes(image: NDArray) -> Pixels:
    """The uint8 pixels of an image in 0…1. Raises Invalid for another scale, which gives other numbers than k/255."""
    scaled = image * np.float32(255)
    whole = np.rint(scaled)
    if image.dtype != np.float32 or whole.min() < 0 or whole.max() > 255 or np.abs(scaled - whole).max() > OFF_GRID:
        found = f"{image.dtype} from {image.min():.4g} to {image.max():.4g}"
        raise Invalid("PARITY", f"images arrive as {found}, not as float32 pixels k/255 in 0…1")
    return whole.astype(np.uint8)


def _compared(pixels: Pixels, path: str, source: Labelled) -> tuple[str, float, bool]:
    """The flip that an image has, its difference to the reference, and whether no other flip is near. Raises Invalid.

    An image that looks like its own mirror image has the first of these flips.
    """
    name, wanted = os.path.basename(path), reference_pixels(path, source.side).astype(np.int16)
    if pixels.shape != wanted.shape:
        raise Invalid("PARITY", f"image {name!r} arrives as {pixels.shape}, not {wanted.shape}")
    found = {flip: float(np.abs(pixels - turn(wanted)).mean()) for flip, turn in _TURNED.items()}
    flip = min(found, key=lambda one: found[one])
    if not source.augment and found["none"] <= WORST_ALLOWED:
        flip = "none"
    if found[flip] > WORST_ALLOWED:
        raise Invalid("PARITY", f"image {name!r} is no flip of its reference: {found[flip]:.1f} of 255 apart")
    if not source.augment and flip != "none":
        raise Invalid("PARITY", f"image {name!r} arrives flipped ({flip}) in a case without augmentation")
    return flip, found[flip], sorted(found.values())[1] > 2 * WORST_ALLOWED


def _small(pixels: Pixels) -> Pixels:
    """At most MOST_SIDE pixels a side: enough for a reader, and a record stays small."""
    if len(pixels) <= MOST_SIDE:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((MOST_SIDE, MOST_SIDE), Image.Resampling.BOX))
