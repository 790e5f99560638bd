"""Copies batches to the GPU, for loaders that do not copy themselves. A batch is delivered when its copy has ended."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from functools import partial

import torch

from runners.pytorch.device import synchronizer
from runners.pytorch.tally import Tally
from runners.reference.source import Source
from runners.reference.tally import timed


def on_device(
    batches: Iterator[torch.Tensor], source: Source, device: torch.device, tally: Tally | None
) -> Iterator[torch.Tensor]:
    """The batches on the device. The variant `tuned` copies a batch while the loader makes the next batch."""
    with contextlib.closing(batches):
        if source.tuned:
            start = partial(_started, device=device, stream=torch.cuda.Stream(device))
            yield from one_ahead(batches, start, timed(tally, "transfer", _finished))
        else:
            yield from map(timed(tally, "transfer", partial(_copied, device=device)), batches)


def one_ahead(batches: Iterator, start: Callable, finish: Callable) -> Iterator:
    """What `finish` makes of what `start` made of each batch. The next batch is started before a batch is finished."""
    for started, _ in itertools.pairwise(itertools.chain(map(start, batches), [None])):
        yield finish(started)


def _copied(batch: torch.Tensor, device: torch.device) -> torch.Tensor:
    on_gpu = batch.to(device)
    synchronizer(device)()
    return on_gpu


def _started(
    batch: torch.Tensor, device: torch.device, stream: torch.cuda.Stream
) -> tuple[torch.Tensor, torch.cuda.Event]:
    """The batch on the device, and an event that tells when its copy has ended. The batch lies in pinned memory."""
    with torch.cuda.stream(stream):
        return batch.to(device, non_blocking=True), stream.record_event()


def _finished(copying: tuple[torch.Tensor, torch.cuda.Event]) -> torch.Tensor:
    on_gpu, ended = copying
    ended.synchronize()
    return on_gpu
