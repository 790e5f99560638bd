"""The stages of `load`: whole passes of a loader, and the limits with which its rate is compared."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from runners.harness.loop import QUEUE_DEPTHS_DISCARDED, QUEUE_DEPTHS_MEASURED
from runners.harness.record import PipelineStage
from runners.harness.workload import Stage
from runners.reference.page_cache import drop
from runners.reference.pixels import reference_pixels
from runners.reference.source import Shard, Source

SAMPLE = 256
"""Images, spread evenly over the data set, on which the limits are measured."""

OBSERVED_DEPTHS = 4
"""How many times the queue's depth the stage `observed` takes."""

Loader = Callable[[], Iterator]
"""Each call starts one pass over the images, in order."""

ObservedPass = tuple[Iterator, Callable[[], Sequence[PipelineStage]]]
"""An endless pass, and a function that returns the work of each stage of its pipeline up to now."""


class Passes:
    """The stages of `load` for one loader.

    - `decode_alone`: the reference decoder decodes images from the page cache, on one thread.
    - `read_cold`: one thread reads files that are not in the page cache; of shards, as many bytes as
      these images take.
    - `headspace`: the loader delivers images that are already decoded; before that, its queues are filled.
    - `cold_epoch`: a whole pass of a new loader over files that are not in the page cache.
    - `epoch`: a whole pass of a new loader, including the start of its workers; `second_epoch`: its second pass.
    - `observed`: a part of an endless pass with statistics of the loader's stages; before that, its queues are filled.
    - `first_batch`: a new endless pass up to its first batch; `close`: the end of this pass.
    """

    def __init__(
        self,
        open_loader: Callable[[Source, bool], Loader],
        open_observed: Callable[[Source], ObservedPass],
        source: Source,
    ) -> None:
        """`open_loader` takes a source and whether its passes are endless."""
        self._open_loader, self._open_observed, self._source = open_loader, open_observed, source
        step = max(1, len(source.paths) // SAMPLE)
        self._sample = source.paths[::step][:SAMPLE]
        self._reads = beginnings(source.shards, len(self._sample)) or dict.fromkeys(self._sample, -1)
        self._loaders: list[Loader] = []
        self._passes: list[Iterator] = []
        self._ready: list[np.ndarray] = []
        self._read_pipeline: Callable[[], Sequence[PipelineStage]] = tuple
        self._readings: list[Sequence[PipelineStage]] = []

    def stages(self) -> Mapping[str, Stage]:
        """The stages, in the order in which they must be timed."""
        source, images, sampled = self._source, len(self._source.paths), len(self._sample)
        depth = max(1, source.queue_batches)
        ready, observed = QUEUE_DEPTHS_MEASURED * depth, OBSERVED_DEPTHS * depth
        return {
            "decode_alone": Stage(self._decode_alone, items=sampled),
            "headspace": Stage(lambda: self._take(ready), self._fill_queue, ready * source.batch_size),
            "read_cold": Stage(self._read, lambda: self._dropped([*self._reads]), sampled),
            "cold_epoch": Stage(self._epoch, lambda: self._dropped(source.files), images),
            "epoch": Stage(self._epoch, self.close, images),
            "second_epoch": Stage(lambda: _exhaust(self._loaders[0]()), items=images),
            "observed": Stage(lambda: self._observe(observed), self._fill_observed, observed * source.batch_size),
            "first_batch": Stage(self._first_batch, self.close, source.batch_size),
            "close": Stage(self.close),  # the last, because an open loader would run during the timed steps
        }

    def pipeline(self) -> list[PipelineStage]:
        """The work of each stage of the loader's own pipeline during `observed`; empty before it."""
        if len(self._readings) < 2:
            return []
        before, after = self._readings
        return [
            dataclasses.replace(end, tasks=end.tasks - start.tasks, busy_ns=end.busy_ns - start.busy_ns)
            for start, end in zip(before, after, strict=True)
        ]

    def close(self) -> None:
        """End all open passes and their workers."""
        while self._passes:
            self._passes.pop().close()
        self._loaders.clear()

    def _first_batch(self) -> None:
        self._passes.append(self._open_loader(self._source, True)())
        next(self._passes[0])

    def _epoch(self) -> None:
        self._loaders.append(self._open_loader(self._source, False))
        _exhaust(self._loaders[0]())

    def _dropped(self, paths: Sequence[str]) -> str | None:
        self.close()
        return drop(paths)

    def _decode_alone(self) -> None:
        self._ready.extend(reference_pixels(path) for path in self._sample)

    def _read(self) -> None:
        for path, size in self._reads.items():
            with open(path, "rb") as file:
                file.read(size)

    def _fill_queue(self) -> None:
        ready = dataclasses.replace(self._source, paths=self._sample, ready=np.stack(self._ready))
        self._ready.clear()
        self._passes.append(self._open_loader(ready, True)())
        self._take(1 + QUEUE_DEPTHS_DISCARDED * ready.queue_batches)

    def _fill_observed(self) -> None:
        self.close()
        endless, self._read_pipeline = self._open_observed(self._source)
        self._passes.append(endless)
        self._take(1 + QUEUE_DEPTHS_DISCARDED * self._source.queue_batches)
        self._readings = [self._read_pipeline()]

    def _observe(self, batches: int) -> None:
        self._take(batches)
        self._readings.append(self._read_pipeline())
        self._read_pipeline = tuple  # drop the function: it may keep the pipeline alive

    def _take(self, batches: int) -> None:
        for _ in range(batches):
            next(self._passes[0])


def beginnings(shards: Sequence[Shard], images: int) -> dict[str, int]:
    """The first shards that hold this many images, and how many bytes of each hold them, if all are of equal size."""
    found = {}
    for shard in shards:
        taken = min(shard.end, images) - shard.first
        if taken > 0:
            found[shard.path] = os.path.getsize(shard.path) * taken // (shard.end - shard.first)
    return found


def _exhaust(batches: Iterator) -> None:
    for _ in batches:
        pass
