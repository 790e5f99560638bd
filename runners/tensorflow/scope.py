"""Where a step's batch begins: on the device (`compute`), or in the host's memory (`transfer+compute`)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from runners.harness.workload import Request


def begins_on_host(request: Request) -> bool:
    """Is it part of the step to bring the batch to the device?"""
    return request.case.scope == "transfer+compute"


def nhwc(batch: np.ndarray) -> np.ndarray:
    """The reference's batch in TensorFlow's layout."""
    return np.ascontiguousarray(batch.transpose(0, 2, 3, 1))


def put(array: np.ndarray, device: str) -> tf.Tensor:
    """A copy on the device."""
    with tf.device(device):
        return tf.constant(array)


def held(array: np.ndarray, request: Request, device: str, dtype: str | None = None) -> tf.Tensor | np.ndarray:
    """What a step begins with: the array, or a copy on the device in the type that it is computed in."""
    if begins_on_host(request):
        return array
    copy = put(array, device)
    return tf.cast(copy, dtype) if dtype else copy


def brought(function: Callable, request: Request, device: str) -> Callable:
    """`function`, which takes tensors on the device, of what a step begins with."""
    if not begins_on_host(request):
        return function

    def from_host(*arrays: np.ndarray):
        return function(*(put(array, device) for array in arrays))

    return from_host
