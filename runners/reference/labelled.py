"""The images on which `fit` trains, described alike for every framework."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runners.harness.workload import Invalid, Request
from runners.reference.pixels import Delivered, inspect
from runners.reference.source import Source
from runners.reference.stream import stream

REPEATABLE = {"cpu": "yes", "gpu": "no: a GPU adds up gradients in varying order"}
"""Whether the same seed gives the same history, by device."""
INSPECTED = 10_000
"""The largest number of training images that are compared with the reference decoder."""


@dataclass(frozen=True)
class Labelled:
    """Images with their classes, and how a loader must read them.

    `side` is their size in pixels after resizing. `cache` keeps decoded and resized images in memory after their first
    use. `augment` flips each image at random, left to right and upside down. `tuned` allows faster ways to the same
    pixels.
    """

    paths: tuple[str, ...]
    labels: tuple[int, ...]
    side: int
    batch_size: int
    workers: int
    cache: bool = False
    augment: bool = False
    shuffle: bool = False
    tuned: bool = False


def of_split(request: Request, split: str, **switches: bool) -> Labelled:
    """The images of a split of the request's data set. `switches` are cache, augment, shuffle and tuned."""
    case, items = request.case, request.manifest.splits[split]
    return Labelled(
        paths=tuple(os.path.join(request.data_root, item.path) for item in items),
        labels=tuple(item.label for item in items),
        side=case.input_size,
        batch_size=case.batch_size,
        workers=case.workers,
        **switches,
    )


def too_little_data(train_images: int, classes: int, batch_size: int) -> str | None:
    """Why nothing can be learned from this data, or None."""
    if classes < 2:
        return f"training needs two classes or more, the data set has {classes}"
    if train_images < batch_size:
        return f"a batch is {batch_size} images, the training split has {train_images}; choose a smaller --batch-size"
    return None


def for_inspection(source: Labelled, seed: int) -> Labelled:
    """The same images in their own order and without flips, to be compared; of a large split a sample of INSPECTED."""
    plain = dataclasses.replace(source, augment=False, shuffle=False)
    if len(source.paths) <= INSPECTED:
        return plain
    drawn = stream(seed, "inspected").random_raw(len(source.paths))
    sample = np.sort(np.argsort(drawn, kind="stable")[:INSPECTED])
    return dataclasses.replace(
        plain, paths=tuple(source.paths[i] for i in sample), labels=tuple(source.labels[i] for i in sample)
    )


def assert_same_pixels(batches: Iterable[tuple[NDArray, NDArray]], source: Labelled, channels_first: bool) -> Delivered:
    """Compare a pass of (images in 0…1, classes) with the reference decoder and the manifest. Raises Invalid."""
    classes: list[int] = []

    def images() -> Iterator[Sequence[NDArray]]:
        for batch, labels in batches:
            classes.extend(int(label) for label in labels)
            yield batch

    wanted = Source(source.paths, source.batch_size, "scale", source.workers, tuned=False, side=source.side)
    delivered = inspect(images(), wanted, channels_first)
    if delivered.fault:
        raise Invalid("PARITY", delivered.fault)
    if tuple(classes) != source.labels:
        raise Invalid("PARITY", "images arrive with the wrong classes")
    return delivered
