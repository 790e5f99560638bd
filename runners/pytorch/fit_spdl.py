"""The images of `fit` through SPDL: threads that leave the interpreter's lock while an image is decoded."""

import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from spdl.pipeline import PipelineBuilder, PipelineFailure
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2 import functional

from runners.reference.labelled import Labelled
from runners.reference.source import PREFETCH


class Drawn(NamedTuple):
    """An image of an epoch: its position in the split, and how it is turned."""

    position: int
    left_right: bool
    upside_down: bool


class Loader:
    """Batches of (images in 0…1, classes), every image once a pass; a pass has threads of its own, the cache is kept.

    Order and flips are drawn ahead, by the thread that asks, so that they do not hang on which worker was faster.
    """

    def __init__(self, source: Labelled, seed: int, pin_memory: bool) -> None:
        self.source, self.pin_memory = source, pin_memory
        self.generator = torch.Generator().manual_seed(seed)
        if source.cache:
            self.cached = torch.empty((len(source.paths), 3, source.side, source.side), dtype=torch.uint8)
            self.filled = torch.zeros(len(source.paths), dtype=torch.bool)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        drawn, size = self._drawn(), self.source.batch_size
        if not self.source.workers:
            for start in range(0, len(drawn), size):
                yield self._batch([self._example(one) for one in drawn[start : start + size]])
            return
        builder = PipelineBuilder().add_source(drawn)
        builder.pipe(self._example, concurrency=self.source.workers, output_order="input").aggregate(size)
        builder.pipe(self._batch, output_order="input").add_sink(self.source.workers * PREFETCH)
        pipeline = builder.build(num_threads=self.source.workers, max_failures=0)
        try:
            with pipeline.auto_stop():
                yield from pipeline.get_iterator()
        except PipelineFailure as error:
            raise ValueError(f"SPDL stopped ({' '.join(str(error).split())})") from None

    def _drawn(self) -> list[Drawn]:
        count = len(self.source.paths)
        order = torch.randperm(count, generator=self.generator) if self.source.shuffle else torch.arange(count)
        flips = torch.zeros((2, count), dtype=torch.bool)
        if self.source.augment:
            flips = torch.rand((2, count), generator=self.generator) < 0.5
        return [Drawn(*entry) for entry in zip(order.tolist(), *flips.tolist(), strict=True)]

    def _example(self, drawn: Drawn) -> tuple[torch.Tensor, int]:
        flipped = [axis for axis, flip in ((-1, drawn.left_right), (-2, drawn.upside_down)) if flip]
        pixels = self._pixels(drawn.position)
        return pixels.flip(flipped) if flipped else pixels, self.source.labels[drawn.position]

    def _pixels(self, position: int) -> torch.Tensor:
        if self.source.cache and self.filled[position]:
            return self.cached[position]
        pixels = decode(self.source.paths[position], self.source.side)
        if self.source.cache:
            self.cached[position] = pixels
            self.filled[position] = True
        return pixels

    def _batch(self, examples: list[tuple[torch.Tensor, int]]) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = zip(*examples, strict=True)
        batch = torch.stack(images).to(torch.float32).div_(255), torch.tensor(labels)
        return (batch[0].pin_memory(), batch[1].pin_memory()) if self.pin_memory else batch


def decode(path: str, side: int) -> torch.Tensor:
    """uint8 (3, side, side), stretched by antialiased bilinear.

    By torchvision: at so small a size the colours of SPDL's own decoder, FFmpeg, are off by more than is allowed.
    """
    try:
        image = decode_jpeg(torch.from_numpy(np.fromfile(path, np.uint8)), mode=ImageReadMode.RGB)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{path!r} cannot be decoded ({error})") from None
    return functional.resize(image, [side, side], antialias=True)


def loader(source: Labelled, seed: int, pin_memory: bool) -> Loader:
    """Batches of (images in 0…1, classes), every image once an epoch; the last batch may be smaller."""
    return Loader(source, seed, pin_memory)


def workers_alive() -> int:
    """The threads that work now."""
    return sum(thread.name.startswith("spdl_worker_thread") for thread in threading.enumerate())
