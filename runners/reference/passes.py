"""What is timed of a loader beside its steady rate: whole passes, and the limits that it is held against."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from runners.harness.loop import QUEUE_DEPTHS_DISCARDED, QUEUE_DEPTHS_MEASURED
from runners.harness.record import PipelineStage
from runners.harness.workload import Stage
from runners.reference.page_cache import drop
from runners.reference.pixels import reference_pixels
from runners.reference.source import Source

SAMPLE = 256
"""Images, evenly over the data set, on which the limits are measured."""

OBSERVED_DEPTHS = 4
"""Queue depths over which a loader's own stages are watched."""

Opened = Callable[[], Iterator]
"""A loader: each call gives one pass over the images, in order."""

Observed = tuple[Iterator, Callable[[], Sequence[PipelineStage]]]
"""A pass without end, and what each stage of its pipeline has done up to now."""


class Passes:
    """The stages of `load`, of one loader.

    - `decode_alone`, `read_cold`: on one thread, what the reference decoder needs for images in the page cache, and how
      long files take to be read that are not there.
    - `headspace`: what the loader delivers of images that need no decoding, its workers and queues filled before.
    - `cold_epoch`: a whole pass of a fresh loader over files that the page cache does not hold.
    - `epoch`, `second_epoch`: whole passes of a fresh loader, the start of its workers included, and once more.
    - `observed`: a stretch of an endless pass, its queues filled before, whose stages are watched.
    - `first_batch`, `close`: a fresh pass to its first batch, and its release.
    """

    def __init__(
        self, opened: Callable[[Source, bool], Opened], observed: Callable[[Source], Observed], source: Source
    ) -> None:
        self._opened, self._observed, self._source = opened, observed, source
        step = max(1, len(source.paths) // SAMPLE)
        self._sample = source.paths[::step][:SAMPLE]
        self._loaders: list[Opened] = []
        self._passes: list[Iterator] = []
        self._ready: list[np.ndarray] = []
        self._read_pipeline: Callable[[], Sequence[PipelineStage]] = tuple
        self._readings: list[Sequence[PipelineStage]] = []

    def stages(self) -> Mapping[str, Stage]:
        """In the order in which they must be timed."""
        source, images, sampled = self._source, len(self._source.paths), len(self._sample)
        depth = max(1, source.queue_batches)
        handed_over, watched = QUEUE_DEPTHS_MEASURED * depth, OBSERVED_DEPTHS * depth
        return {
            "decode_alone": Stage(self._decode_alone, items=sampled),
            "headspace": Stage(lambda: self._take(handed_over), self._fill_queue, handed_over * source.batch_size),
            "read_cold": Stage(self._read, lambda: self._dropped(self._sample), sampled),
            "cold_epoch": Stage(self._epoch, lambda: self._dropped(source.paths), images),
            "epoch": Stage(self._epoch, self.close, images),
            "second_epoch": Stage(lambda: _exhaust(self._loaders[0]()), items=images),
            "observed": Stage(lambda: self._watch(watched), self._fill_observed, watched * source.batch_size),
            "first_batch": Stage(self._first_batch, self.close, source.batch_size),
            "close": Stage(self.close),  # the last: what stayed open would run beside what is timed next
        }

    def pipeline(self) -> list[PipelineStage]:
        """What each stage of the loader's own pipeline did in `observed`; empty before that."""
        if len(self._readings) < 2:
            return []
        before, after = self._readings
        return [
            dataclasses.replace(end, tasks=end.tasks - start.tasks, busy_ns=end.busy_ns - start.busy_ns)
            for start, end in zip(before, after, strict=True)
        ]

    def close(self) -> None:
        """End what is still open, workers included."""
        while self._passes:
            self._passes.pop().close()
        self._loaders.clear()

    def _first_batch(self) -> None:
        self._passes.append(self._opened(self._source, False)())
        next(self._passes[0])

    def _epoch(self) -> None:
        self._loaders.append(self._opened(self._source, False))
        _exhaust(self._loaders[0]())

    def _dropped(self, paths: Sequence[str]) -> str | None:
        self.close()
        return drop(paths)

    def _decode_alone(self) -> None:
        self._ready.extend(reference_pixels(path) for path in self._sample)

    def _read(self) -> None:
        for path in self._sample:
            Path(path).read_bytes()

    def _fill_queue(self) -> None:
        ready = dataclasses.replace(self._source, paths=self._sample, ready=np.stack(self._ready))
        self._ready.clear()
        self._passes.append(self._opened(ready, True)())
        self._take(1 + QUEUE_DEPTHS_DISCARDED * ready.queue_batches)

    def _fill_observed(self) -> None:
        self.close()
        endless, self._read_pipeline = self._observed(self._source)
        self._passes.append(endless)
        self._take(1 + QUEUE_DEPTHS_DISCARDED * self._source.queue_batches)
        self._readings = [self._read_pipeline()]

    def _watch(self, batches: int) -> None:
        self._take(batches)
        self._readings.append(self._read_pipeline())
        self._read_pipeline = tuple  # it may hold the pipeline

    def _take(self, batches: int) -> None:
        for _ in range(batches):
            next(self._passes[0])


def _exhaust(one: Iterator) -> None:
    for _ in one:
        pass
