"""The input batch of the step workloads: the same bytes in every framework."""

import numpy as np

from runners.reference.stream import normal, stream
from runners.reference.weights import Array

REFERENCE_IMAGES = 2
"""The reference batch, whose logits are compared, is the leading images of every batch."""


def images(seed: int, count: int, size: int) -> Array:
    """`count` standard-normal images, 3 × size × size each; the first ones are the same for every `count`."""
    batch = np.empty((count, 3, size, size), np.float32)
    # Image by image: the generator's own memory must not become the process's peak.
    for number in range(count):
        batch[number] = normal(stream(seed, f"image/{size}/{number}"), 3 * size * size).reshape(3, size, size)
    return batch


def labels(seed: int, count: int, classes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """`count` class ids below `classes`; the first ones are the same for every `count`."""
    return (stream(seed, "labels").random_raw(count) % np.uint64(classes)).astype(np.int64)
