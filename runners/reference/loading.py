"""The work of `load`, made from a loader that delivers NumPy's arrays or what NumPy can read."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from runners.harness.record import Check
from runners.harness.workload import Invalid, Request, Seen, StepWork
from runners.reference.passes import Loader, ObservedPass, Passes
from runners.reference.pixels import inspect
from runners.reference.source import Source, source_of


class LoaderModule(Protocol):
    """What a module `loader_<name>.py` has to offer.

    A loader that reads packed images also has `prepared(source, request)`, which returns the source with its shards. It
    may raise Invalid and Unsupported.
    """

    def opened(self, source: Source, endless: bool) -> Loader:
        """A function that starts a pass over the images in order, or an endless pass. May raise Unsupported."""

    def observed(self, source: Source) -> ObservedPass:
        """An endless pass, and a function that reads the work of each stage of its pipeline; empty if unknown."""

    def settings(self, source: Source) -> dict[str, str]:
        """The settings in effect, read back while a pass goes on."""


def prepared(source: Source, request: Request, loader: object) -> Source:
    """The source as the loader reads it: with shards, if it reads packed images. Raises Invalid, Unsupported."""
    return loader.prepared(source, request) if hasattr(loader, "prepared") else source


def loading(
    request: Request,
    loader: LoaderModule,
    seen: Callable[[Any], Seen],
    on_host: Callable[[Any], Sequence[np.ndarray]] = lambda batch: batch,
    channels_first: Callable[[Source], bool] = lambda _: False,
) -> StepWork:
    """Compare one epoch with the reference decoder, then start an endless pass. A step takes one batch.

    `seen` reports the settings in effect from the first batch of the epoch, `on_host` copies a batch to the host.
    `channels_first` says whether the channels of an image come before its rows. Raises Invalid, Unsupported.
    """
    source = prepared(source_of(request), request, loader)
    settings: dict[str, str] = {}
    first: list[Any] = []

    def epoch_on_host() -> Iterator[Sequence[np.ndarray]]:
        for batch in loader.opened(source, False)():
            if not settings:
                settings.update(loader.settings(source))
                first.append(batch)
            yield on_host(batch)

    delivered = inspect(epoch_on_host(), source, channels_first(source))
    if delivered.fault:
        raise Invalid("PARITY", delivered.fault)

    stream = loader.opened(source, True)()  # starts its workers when it is asked for the first batch
    passes = Passes(loader.opened, loader.observed, source)

    def close() -> None:
        stream.close()
        passes.close()

    return StepWork(
        step=stream.__next__,
        synchronize=lambda: None,
        items=source.batch_size,
        check=lambda: Check(
            delivered_items=delivered.items,
            delivered_digest=delivered.digest,
            pixel_mean_difference=delivered.mean_difference,
            pixel_worst_image=delivered.worst_image,
        ),
        seen=lambda: dataclasses.replace(seen(first[0]), settings=settings),
        close=close,
        workers=source.workers,
        queue_batches=source.queue_batches,
        stages=passes.stages(),
        pipeline=passes.pipeline,
    )
