"""The images on which `fit` trains, described alike for every framework."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runners.harness.case import Case
from runners.harness.workload import Invalid, Request
from runners.reference.layers import Kind, layers
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


def unfit_data(case: Case, train_images: int, classes: int) -> str | None:
    """Why the case's network cannot learn from this data, or None."""
    if classes < 2:
        return f"training needs two classes or more, the data set has {classes}"
    batch, network, side = case.batch_size, case.network or "", case.input_size or 0
    if train_images < batch:
        return f"a batch is {batch} images, the training split has {train_images}; choose a smaller --batch-size"
    norms = [layer for layer in layers(network, classes) if layer.kind is Kind.BATCH_NORM]
    if (batch == 1 or train_images % batch == 1) and any(layer.reduction == side for layer in norms):
        return (
            f"a batch of a single image, such as the last of {train_images} images, gives a batch norm of {network} at "
            f"{side} pixels only one value for each channel; choose another --batch-size"
        )
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
