"""What a data loader is asked to deliver, in words that every framework shares."""

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runners.harness.manifest import splits_read
from runners.harness.workload import Request, Unsupported

SIDE = 224
"""Side in pixels of a delivered image."""

PREFETCH = 2
"""Batches that each worker may have ready, in every loader."""


@dataclass(frozen=True)
class Source:
    """Images in the order they must arrive, and how.

    `stage` is decode, batch, normalize or transfer; `scale` is what `fit` trains on, pixels in 0…1. `defaults` asks for
    what the loader's own defaults make of an image. `ready` are the images of the paths decoded already, uint8
    (N, side, side, 3): then nothing is read or decoded.
    """

    paths: tuple[str, ...]
    batch_size: int
    stage: str
    workers: int
    tuned: bool
    side: int = SIDE
    defaults: bool = False
    ready: NDArray[np.uint8] | None = None

    @property
    def queue_batches(self) -> int:
        """How many batches may be ready at once."""
        return self.workers * PREFETCH

    @property
    def normalized(self) -> bool:
        """Whether a batch is of float32, with ImageNet's mean and deviation."""
        return self.stage in ("normalize", "transfer")

    @property
    def pinned(self) -> bool:
        """Whether a batch lies in memory that a GPU can copy from by itself."""
        return self.stage == "transfer" and self.tuned


def source_of(request: Request) -> Source:
    """What `load` is asked for. Raises Unsupported where it means nothing, ManifestError where no split fits."""
    case, manifest, tuned = request.case, request.manifest, request.competitor.variant == "tuned"
    if case.stage == "transfer" and case.device != "gpu":
        raise Unsupported("transfer copies batches to a GPU, this is a case of the CPU; DEVICE=gpu has it")
    if case.track == "default" and tuned:
        raise Unsupported("the track of default settings has no tuned ones; the variant plain is measured there")
    items = [item for split in splits_read(case.workload, manifest) for item in manifest.splits[split]]
    return Source(
        paths=tuple(os.path.join(request.data_root, item.path) for item in items),
        batch_size=case.batch_size,
        stage=case.stage,
        workers=case.workers,
        tuned=tuned,
        defaults=case.track == "default",
    )
