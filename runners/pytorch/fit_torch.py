"""The images of `fit` through a DataLoader."""

import multiprocessing

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from runners.pytorch.shm import require_shared_memory
from runners.reference.labelled import Labelled
from runners.reference.source import PREFETCH


class ClassFolder(Dataset):
    """Images with their classes, decoded when asked for and, with a cache, only once."""

    def __init__(self, source: Labelled) -> None:
        self.source = source
        self.transform = v2.Compose(
            [
                *([v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()] if source.augment else []),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )
        if source.cache:
            self.cached = torch.empty((len(source.paths), 3, source.side, source.side), dtype=torch.uint8)
            self.filled = torch.zeros(len(source.paths), dtype=torch.bool)
            if source.workers:
                # One cache for all workers: each would otherwise fill its own.
                self.cached.share_memory_()
                self.filled.share_memory_()

    def __len__(self) -> int:
        return len(self.source.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self._pixels(index)), self.source.labels[index]

    def _pixels(self, index: int) -> torch.Tensor:
        if self.source.cache and self.filled[index]:
            return self.cached[index]
        pixels = decode(self.source.paths[index], self.source.side)
        if self.source.cache:
            self.cached[index] = pixels
            self.filled[index] = True
        return pixels


def decode(path: str, side: int) -> torch.Tensor:
    """uint8 (3, side, side), stretched by antialiased bilinear."""
    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
    except OSError as error:
        raise ValueError(f"{path!r} cannot be decoded ({error})") from None
    # In order: a view would make the batches of 0 workers channels-last, and those of more workers not.
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def loader(source: Labelled, seed: int, pin_memory: bool) -> DataLoader:
    """Batches of (images in 0…1, classes), every image once an epoch; the last batch may be smaller."""
    if source.workers:
        require_shared_memory(_shared_bytes(source))
    return DataLoader(
        ClassFolder(source),
        batch_size=source.batch_size,
        shuffle=source.shuffle,
        generator=torch.Generator().manual_seed(seed),
        num_workers=source.workers,
        prefetch_factor=PREFETCH if source.workers else None,
        persistent_workers=source.workers > 0,
        pin_memory=pin_memory,
    )


def workers_alive() -> int:
    """The processes that work now."""
    return len(multiprocessing.active_children())


def _shared_bytes(source: Labelled) -> int:
    image = 3 * source.side**2
    batches = source.workers * (PREFETCH + 1) + 1
    return image * (4 * source.batch_size * batches + (len(source.paths) if source.cache else 0))
