"""What `fit` trains on, in words that every framework shares."""

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

REPEATABLE = {"cpu": "yes", "gpu": "no: a GPU adds up gradients in an order of its own"}
"""Whether the same seed gives the same history, by device."""
INSPECTED = 10_000
"""Images of the training split that are held against the reference decoder at most."""


@dataclass(frozen=True)
class Labelled:
    """Images with their classes, and how they are read.

    `side` is what they are resized to; `cache` keeps the decoded, resized images in memory once they were
    used; `augment` flips each at random, left to right and upside down; `tuned` allows other ways to the same pixels.
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


def of_split(request: Request, split: str, **how: bool) -> Labelled:
    """The images of one split of the request's data set, read as its case says; `how` are the switches of Labelled."""
    case, items = request.case, request.manifest.splits[split]
    return Labelled(
        paths=tuple(os.path.join(request.data_root, item.path) for item in items),
        labels=tuple(item.label for item in items),
        side=case.input_size,
        batch_size=case.batch_size,
        workers=case.workers,
        **how,
    )


def unfit(train_images: int, classes: int, batch_size: int) -> str | None:
    """Why nothing can be learned from so little, or None."""
    if classes < 2:
        return f"training needs two classes or more, the data set has {classes}"
    if train_images < batch_size:
        return f"a batch is {batch_size} images, the training split has {train_images}; choose a smaller --batch-size"
    return None


def plainly(source: Labelled, seed: int) -> Labelled:
    """The same images in their own order, unflipped, so that they can be compared; of a large split a seeded sample."""
    plain = dataclasses.replace(source, augment=False, shuffle=False)
    if len(source.paths) <= INSPECTED:
        return plain
    drawn = stream(seed, "inspected").random_raw(len(source.paths))
    chosen = np.sort(np.argsort(drawn, kind="stable")[:INSPECTED])
    return dataclasses.replace(
        plain, paths=tuple(source.paths[i] for i in chosen), labels=tuple(source.labels[i] for i in chosen)
    )


def assert_same_pixels(batches: Iterable[tuple[NDArray, NDArray]], source: Labelled, channels_first: bool) -> Delivered:
    """Hold one pass of (images in 0…1, classes) against the reference decoder and the manifest. Raises Invalid."""
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
        raise Invalid("PARITY", "images arrive with classes that are not theirs")
    return delivered
