"""The images of `fit` through SPDL: threads that release the interpreter's lock while they decode.

torchvision decodes, because at this small size the colours of SPDL's own decoder, FFmpeg, differ by more than allowed.
"""

import threading
from collections.abc import Iterator
from typing import NamedTuple

import torch
from spdl.pipeline import PipelineBuilder, PipelineFailure

from runners.harness.case import PREFETCH
from runners.pytorch.fit_images import Images, flipped, scaled
from runners.pytorch.fit_images import decode_to_tensor as decode
from runners.reference.labelled import Labelled


class Draw(NamedTuple):
    """An image of an epoch: its position in the split, and its flips."""

    position: int
    left_right: bool
    upside_down: bool


class Loader:
    """Batches of (images in 0…1, classes), every image once in each pass. Passes share the cache, but not the threads.

    The calling thread draws order and flips at the start of a pass, so that they do not depend on which worker is
    faster.
    """

    def __init__(self, source: Labelled, seed: int, pin_memory: bool) -> None:
        self.source, self.pin_memory = source, pin_memory
        self.generator = torch.Generator().manual_seed(seed)
        self.images = Images(source, decode)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        draws, size = self._draws(), self.source.batch_size
        batches = [draws[start : start + size] for start in range(0, len(draws), size)]
        if not self.source.workers:
            yield from map(self._batch, batches)
            return
        # A task is a whole batch: to hand over a single small image costs as much as to decode it.
        builder = PipelineBuilder().add_source(batches)
        builder.pipe(self._batch, concurrency=self.source.workers, output_order="input")
        builder.add_sink(self.source.workers * PREFETCH)
        pipeline = builder.build(num_threads=self.source.workers, max_failures=0)
        try:
            with pipeline.auto_stop():
                yield from pipeline.get_iterator()
        except PipelineFailure as error:
            raise ValueError(f"SPDL stopped ({' '.join(str(error).split())})") from None

    def _draws(self) -> list[Draw]:
        count = len(self.source.paths)
        order = torch.randperm(count, generator=self.generator) if self.source.shuffle else torch.arange(count)
        flips = torch.zeros((2, count), dtype=torch.bool)
        if self.source.augment:
            flips = torch.rand((2, count), generator=self.generator) < 0.5
        return [Draw(*entry) for entry in zip(order.tolist(), *flips.tolist(), strict=True)]

    def _example(self, draw: Draw) -> tuple[torch.Tensor, int]:
        image = flipped(self.images[draw.position], draw.left_right, draw.upside_down)
        return image, self.source.labels[draw.position]

    def _batch(self, draws: list[Draw]) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = zip(*map(self._example, draws), strict=True)
        batch = scaled(torch.stack(images)), torch.tensor(labels)
        return (batch[0].pin_memory(), batch[1].pin_memory()) if self.pin_memory else batch


def loader(source: Labelled, seed: int, pin_memory: bool) -> Loader:
    """Batches of (images in 0…1, classes), every image once in each epoch. The last batch may be smaller."""
    return Loader(source, seed, pin_memory)


def workers_alive() -> int:
    """How many worker threads are alive."""
    return sum(thread.name.startswith("spdl_worker_thread") for thread in threading.enumerate())
