"""What a data loader is asked to deliver, in words that every framework shares."""

from dataclasses import dataclass

SIDE = 224
"""Side in pixels of a delivered image."""

PREFETCH = 2
"""Batches that each worker may have ready, in every loader."""


@dataclass(frozen=True)
class Source:
    """Images in the order they must arrive, and how.

    `stage` is decode, batch or normalize; `scale` is what `fit` trains on, pixels in 0…1.
    """

    paths: tuple[str, ...]
    batch_size: int
    stage: str
    workers: int
    tuned: bool
    side: int = SIDE

    @property
    def queue_batches(self) -> int:
        """How many batches may be ready at once."""
        return self.workers * PREFETCH
