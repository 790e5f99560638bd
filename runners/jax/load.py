"""Data loading: decodes, resizes, stacks and normalises the images of a data set, batch after batch."""

import importlib

import jax
import numpy as np

from runners.harness.proc import threads_named
from runners.harness.workload import Request, Seen, StepWork
from runners.jax import device as devices
from runners.reference.loading import loading
from runners.reference.precision import precision

WHY = "loaders compute nothing with XLA"


def prepare(request: Request) -> StepWork:
    """Compare one epoch with the reference decoder, then start an endless pass. A step takes one batch.

    The stage `decode` delivers a list of uint8 images, `batch` one uint8 array (N, H, W, 3), `normalize` one float32
    array, `transfer` JAX's array of the same images on the GPU.
    """
    devices.configure(request)
    loader = importlib.import_module(f"runners.jax.loader_{request.competitor.loader}")
    return loading(request, loader, _seen, lambda batch: np.asarray(batch) if isinstance(batch, jax.Array) else batch)


def _seen(batch: list[np.ndarray] | np.ndarray | jax.Array) -> Seen:
    """The settings in effect, read back from a delivered batch."""
    if isinstance(batch, jax.Array):
        return devices.seen(batch, {})
    return Seen(
        device="cpu",
        precision=precision(image.dtype for image in batch),
        threads_intra=threads_named("tf_XLAEigen") or None,
        layout="NHWC",
        unknown={"threads_intra": WHY, "threads_inter": "XLA does not report it"},
    )
