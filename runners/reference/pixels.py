"""The reference decoder, and the comparison of a loader's images with it.

A loader that skips, repeats, letterboxes or blurs images does different work from its competitors. So one whole epoch
is compared with Pillow's pixels, outside the timed window.
"""

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from runners.reference.source import SIDE, Source

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's colour statistics, for pixels scaled to [0, 1]."""

MEAN_ALLOWED = 0.5
WORST_ALLOWED = 2.0
"""Largest mean absolute difference to the reference, out of 255: over the whole set, and over its worst image."""

REFERENCE_THREADS = 2

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Delivered:
    """One delivered epoch. `digest` covers its pixels; `fault` says what is wrong with it, or is None."""

    items: int
    digest: str
    mean_difference: float
    worst_image: float
    fault: str | None


def reference_pixels(path: str, side: int = SIDE) -> Pixels:
    """RGB pixels (side, side, 3), stretched to a square by antialiased bilinear scaling; ignores EXIF orientation."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))


def affine() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(scale, offset) for each channel, so that `uint8 * scale + offset` is the normalised value."""
    mean, std = np.array(MEAN), np.array(STD)
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


def inspect(batches: Iterable[Sequence[NDArray]], source: Source, channels_first: bool) -> Delivered:
    """Compare every image of an epoch with the reference image that is due. The last batch may be partial.

    `batches` are lists of images (decode) or arrays (other stages). With `source.defaults` any difference is allowed.

    Threads decode the reference meanwhile. They start after the first delivery, because a loader must fork its workers
    before this process has threads.
    """
    digest = hashlib.sha256()
    differences: list[float] = []
    pending: deque[Future[float]] = deque()
    count, total = 0, len(source.paths)
    sizes = iter(map(len, source.batches))
    due = [source.paths[position] for batch in source.batches for position in batch]
    fault = None if sorted(due) == sorted(source.paths) else "an epoch of this loader would not hold every image once"
    with ThreadPoolExecutor(REFERENCE_THREADS) as pool:
        for batch in batches:
            expected = next(sizes, 0)
            if len(batch) != expected:
                fault = fault or f"the batch after {count} images holds {len(batch)}, not {expected}"
            for pixels in _as_pixels(batch, source, channels_first):
                if pixels.dtype != np.uint8 or pixels.shape != (source.side, source.side, 3):
                    fault = fault or f"image {count} arrived as {pixels.dtype} {pixels.shape}"
                # After a fault the loop only takes the rest: at the end, a loader may raise the reason.
                if not fault:
                    digest.update(pixels)
                    pending.append(pool.submit(_difference, pixels, due[count], source.side))
                count += 1
            while len(pending) > 2 * source.batch_size:
                differences.append(pending.popleft().result())
        differences.extend(future.result() for future in pending)
    if count != total:
        fault = fault or f"an epoch held {count} images, not {total}"
    if fault:
        return Delivered(count, "", float("nan"), float("nan"), fault)
    return _delivered(differences, "sha256:" + digest.hexdigest(), source, due)


def _as_pixels(batch: Sequence[NDArray], source: Source, channels_first: bool) -> Iterator[NDArray]:
    """The batch's images as (H, W, 3). Normalised or scaled images are brought back to 0…255 and rounded."""
    scale, offset = affine() if source.normalized else (np.float32(1 / 255), np.float32(0))
    for image in batch:
        pixels = image.transpose(1, 2, 0) if channels_first else image
        if (source.normalized or source.stage == "scale") and pixels.dtype == np.float32:
            pixels = np.clip(np.rint((pixels - offset) / scale), 0, 255).astype(np.uint8)
        yield np.ascontiguousarray(pixels)


def _difference(pixels: Pixels, path: str, side: int) -> float:
    return float(np.abs(pixels.astype(np.int16) - reference_pixels(path, side)).mean())


def _delivered(differences: list[float], digest: str, source: Source, due: Sequence[str]) -> Delivered:
    mean, worst = float(np.mean(differences)), max(differences)
    fault = None
    if not source.defaults and not (mean <= MEAN_ALLOWED and worst <= WORST_ALLOWED):
        name = os.path.basename(due[differences.index(worst)])
        fault = (
            f"pixels differ from the reference by {mean:.2f} of 255 over the set (allowed {MEAN_ALLOWED}) "
            f"and by {worst:.2f} in the worst image, {name!r} (allowed {WORST_ALLOWED})"
        )
    return Delivered(len(differences), digest, mean, worst, fault)
