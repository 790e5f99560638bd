"""Data loading: decodes, resizes, stacks and normalises the images of a data set, batch after batch."""

import dataclasses
import importlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from runners.harness.record import Check
from runners.harness.workload import Invalid, Request, Seen, StepWork
from runners.reference.passes import Passes
from runners.reference.pixels import inspect
from runners.reference.source import source_of
from runners.tensorflow import device as devices


def prepare(request: Request) -> StepWork:
    """Compare one epoch with the reference decoder, then start an endless pass. A step takes one batch.

    The stage `decode` delivers a list of uint8 images, `batch` one uint8 tensor (N, H, W, 3), `normalize` one float32
    tensor, `transfer` the same tensor on the GPU.
    """
    loader = importlib.import_module(f"runners.tensorflow.loader_{request.competitor.loader}")
    devices.configure(request)
    source = source_of(request)
    if hasattr(loader, "prepared"):
        source = loader.prepared(source, request)
    case = request.case
    settings: dict[str, str] = {}
    first: list[tf.Tensor] = []

    def epoch_as_arrays() -> Iterator[list[np.ndarray]]:
        for batch in loader.opened(source, False)():
            if not settings:
                settings.update(loader.settings(source))
                first.append(batch[0] if source.stage == "decode" else batch)
            yield [image.numpy() for image in batch]

    delivered = inspect(epoch_as_arrays(), source, channels_first=False)
    if delivered.fault:
        raise Invalid("PARITY", delivered.fault)

    stream = loader.opened(source, True)()  # starts its workers when it is asked for the first batch
    passes = Passes(loader.opened, loader.observed, source)

    def check() -> Check:
        return Check(
            delivered_items=delivered.items,
            delivered_digest=delivered.digest,
            pixel_mean_difference=delivered.mean_difference,
            pixel_worst_image=delivered.worst_image,
        )

    def seen() -> Seen:
        return dataclasses.replace(devices.seen(first, devices.layout(first[0])), settings=settings)

    def close() -> None:
        stream.close()
        passes.close()

    return StepWork(
        step=stream.__next__,
        synchronize=lambda: None,
        items=case.batch_size,
        check=check,
        seen=seen,
        close=close,
        workers=source.workers,
        queue_batches=source.queue_batches,
        stages=passes.stages(),
        pipeline=passes.pipeline,
    )
