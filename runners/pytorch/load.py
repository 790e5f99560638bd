"""Data loading: decodes, resizes, stacks and normalises the images of a data set, batch after batch."""

import dataclasses
import importlib
from collections.abc import Callable, Iterator

import numpy as np
import torch

from runners.harness.record import Check
from runners.harness.workload import Invalid, Request, Seen, StepWork, Unsupported
from runners.pytorch import device as devices
from runners.pytorch.tally import Tally
from runners.pytorch.transfer import on_device
from runners.reference.loading import prepared
from runners.reference.passes import ObservedPass, Passes
from runners.reference.pixels import inspect
from runners.reference.source import Source, source_of


def prepare(request: Request) -> StepWork:
    """Compare one epoch with the reference decoder, then start an endless pass. A step takes one batch.

    The stage `decode` delivers a list of uint8 images, `batch` one uint8 tensor (N, 3, H, W or N, H, W, 3, depending on
    the loader), `normalize` one float32 tensor (N, 3, H, W), `transfer` the same tensor on the GPU.
    """
    loader = importlib.import_module(f"runners.pytorch.loader_{request.competitor.loader}")
    source = source_of(request)
    copies = source.stage == "transfer" and "transfer" not in loader.stages(source)  # else the loader itself copies
    if copies and source.piped:
        raise Unsupported(f"gpu_copy piped: the pipeline of {request.competitor.loader} has no stage that copies")
    source = prepared(source, request, loader)
    device = devices.configure(request)
    case = request.case
    settings: dict[str, str] = {}
    first: list[torch.Tensor] = []

    def opened(source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
        start_pass = loader.opened(source, endless, tally)
        return (lambda: on_device(start_pass(), source, device, tally)) if copies else start_pass

    def observed(source: Source) -> ObservedPass:
        transfer = {"transfer": 1} if copies else {}
        tally = Tally(loader.stages(source) | transfer, writers=source.workers)
        return opened(source, True, tally)(), tally.read

    def epoch_as_arrays() -> Iterator[list[np.ndarray]]:
        for batch in opened(source, False)():
            if not settings:
                settings.update(loader.settings(source))
                first.append(batch[0][None])
            yield [image.cpu().numpy() for image in batch]

    channels_first = loader.CHANNELS_FIRST or source.normalized
    delivered = inspect(epoch_as_arrays(), source, channels_first)
    if delivered.fault:
        raise Invalid("PARITY", delivered.fault)

    stream = opened(source, True)()  # starts its workers when it is asked for the first batch
    passes = Passes(opened, observed, source)

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
