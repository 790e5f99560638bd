"""The input batch of the step workloads: the same bytes in every framework."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from runners.harness.workload import Request
from runners.reference.layers import CLASSES
from runners.reference.stream import normal, stream
from runners.reference.weights import Array

Tensor = TypeVar("Tensor")

REFERENCE_IMAGES = 2
"""The size of the reference batch, whose logits are compared. Every batch begins with these images."""


def images(seed: int, count: int, size: int) -> Array:
    """`count` standard-normal images, count × 3 × size × size. Image n is the same for every `count`."""
    batch = np.empty((count, 3, size, size), np.float32)
    # Image by image, so that the generator's memory does not become the process's peak.
    for number in range(count):
        batch[number] = normal(stream(seed, f"image/{size}/{number}"), 3 * size * size).reshape(3, size, size)
    return batch


def labels(seed: int, count: int, classes: int) -> NDArray[np.int64]:
    """`count` class ids below `classes`. Label n is the same for every `count`."""
    return (stream(seed, "labels").random_raw(count) % np.uint64(classes)).astype(np.int64)


def shared_batch(request: Request, classes: int | None = None) -> tuple[Array, NDArray[np.int64]]:
    """The images and labels of the request's case. `classes` defaults to the network's usual number."""
    case = request.case
    classes = CLASSES[case.network] if classes is None else classes
    count = case.images_a_step
    return images(case.seed, count, case.input_size), labels(case.seed, count, classes)


def begins_on_host(request: Request) -> bool:
    """Whether a step has to copy its batch from the host's memory to the device."""
    return request.case.scope == "transfer+compute"


def feed(array: NDArray[Any], request: Request, put: Callable[[NDArray[Any]], Tensor]) -> Callable[[], Tensor]:
    """A function that returns a step's tensor on the device.

    It always returns the same tensor, which `put` makes now, before the clock starts. If the case begins in the host's
    memory, it calls `put` for every step instead.
    """
    if begins_on_host(request):
        return lambda: put(array)
    held = put(array)
    return lambda: held
