"""Data loading: decodes, resizes, stacks and normalises the images of a data set, batch after batch."""

import importlib

import numpy as np
import tensorflow as tf

from runners.harness.workload import Request, Seen, StepWork
from runners.reference.loading import loading
from runners.tensorflow import device as devices


def prepare(request: Request) -> StepWork:
    """Compare one epoch with the reference decoder, then start an endless pass. A step takes one batch.

    The stage `decode` delivers a list of uint8 images, `batch` one uint8 tensor (N, H, W, 3), `normalize` one float32
    tensor, `transfer` the same tensor on the GPU.
    """
    devices.configure(request)
    loader = importlib.import_module(f"runners.tensorflow.loader_{request.competitor.loader}")
    return loading(request, loader, _seen, _on_host)


def _on_host(batch: list[tf.Tensor] | tf.Tensor) -> list[np.ndarray]:
    return [image.numpy() for image in batch]


def _seen(batch: list[tf.Tensor] | tf.Tensor) -> Seen:
    """The settings in effect, read back from a delivered batch."""
    first = batch[0] if isinstance(batch, list) else batch
    return devices.seen([first], devices.layout(first))
