"""Data loading: decodes, resizes, stacks and normalises the images of a data set, batch after batch."""

import importlib

from runners.dali import device as devices
from runners.harness.workload import Request, StepWork
from runners.reference.loading import loading


def prepare(request: Request) -> StepWork:
    """Compare one epoch with the reference decoder, then start an endless pass. A step takes one batch.

    The stage `decode` delivers a list of uint8 images, `batch` one uint8 array (N, H, W, 3), `normalize` one float32
    array, `transfer` DALI's list of the same images on the GPU.
    """
    devices.configure(request)
    loader = importlib.import_module(f"runners.dali.loader_{request.competitor.loader}")
    return loading(request, loader, devices.seen, devices.on_host)
