"""The images that a data loader has to deliver, described alike for every framework."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runners.harness.case import PIPED, PREFETCH
from runners.harness.manifest import splits_read
from runners.harness.workload import Request, Unsupported

SIDE = 224
"""Side in pixels of a delivered image."""


@dataclass(frozen=True)
class Shard:
    """A file that holds the images of the positions `first` to `end` - 1."""

    path: str
    first: int
    end: int


@dataclass(frozen=True)
class Source:
    """Images in the order in which they must arrive, and how a loader must deliver them.

    `stage` is decode, batch, normalize or transfer, or `scale` for the pixels in 0…1 on which `fit` trains. Each worker
    may hold `prefetch` batches ready. With `piped`, a stage of the loader's own pipeline copies to the GPU. With
    `defaults`, the loader's own defaults decide about the pixels. `ready` are the decoded images of the paths, uint8
    (N, side, side, 3); with them, nothing is read or decoded. A loader that reads packed images finds them in `shards`.
    `epoch` holds the positions of each batch of one epoch; it is empty if a loader delivers the images in order.
    """

    paths: tuple[str, ...]
    batch_size: int
    stage: str
    workers: int
    tuned: bool
    side: int = SIDE
    prefetch: int = PREFETCH
    piped: bool = False
    defaults: bool = False
    ready: NDArray[np.uint8] | None = None
    shards: tuple[Shard, ...] = ()
    epoch: tuple[tuple[int, ...], ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files that a loader reads."""
        return tuple(shard.path for shard in self.shards) or self.paths

    @property
    def batches(self) -> tuple[tuple[int, ...], ...]:
        """The positions of the images in each batch of one epoch, in the order of delivery."""
        return self.epoch or in_batches(range(len(self.paths)), self.batch_size)

    @property
    def queue_batches(self) -> int:
        """The largest number of ready batches."""
        return self.workers * self.prefetch

    @property
    def normalized(self) -> bool:
        """Whether batches are float32, normalised with ImageNet's mean and standard deviation."""
        return self.stage in ("normalize", "transfer")

    @property
    def copied_ahead(self) -> bool:
        """Whether batches are to be copied to the GPU before they are taken, by the loader's own pipeline if it can."""
        return self.stage == "transfer" and (self.tuned or self.piped)

    @property
    def pinned(self) -> bool:
        """Whether batches lie in pinned memory, from which a GPU can copy by itself."""
        return self.stage == "transfer" and self.tuned


def in_batches(positions: Sequence[int], size: int) -> tuple[tuple[int, ...], ...]:
    """The positions in batches of `size`; the last batch may be smaller."""
    return tuple(tuple(positions[start : start + size]) for start in range(0, len(positions), size))


def source_of(request: Request) -> Source:
    """The source of a `load` request. Raises Unsupported for an impossible case, ManifestError without a split."""
    case, manifest, tuned = request.case, request.manifest, request.competitor.variant == "tuned"
    if case.stage == "transfer" and case.device != "gpu":
        raise Unsupported("the stage transfer copies batches to a GPU, this is a case of the CPU; use DEVICE=gpu")
    if case.track == "default" and tuned:
        raise Unsupported("the track default has no tuned variant; it measures the variant plain")
    if case.prefetch not in (None, PREFETCH) and not case.workers:
        raise Unsupported(f"prefetch {case.prefetch}: nothing is prefetched without workers; use --workers 1 or more")
    if case.copies_nothing:
        raise Unsupported(case.copies_nothing)
    items = [item for split in splits_read(case.workload, manifest, case.split) for item in manifest.splits[split]]
    return Source(
        paths=tuple(os.path.join(request.data_root, item.path) for item in items),
        batch_size=case.batch_size,
        stage=case.stage,
        workers=case.workers,
        tuned=tuned,
        prefetch=case.prefetch or PREFETCH,
        piped=case.gpu_copy == PIPED,
        defaults=case.track == "default",
    )
