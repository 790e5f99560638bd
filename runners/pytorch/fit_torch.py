"""The images of `fit` through a DataLoader."""

import multiprocessing

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from runners.harness.case import PREFETCH
from runners.pytorch.fit_images import Images, decode_to_tensor, flipped
from runners.reference.labelled import Labelled
from runners.reference.shm import require_shared_memory


class PlainFolder(Dataset):
    """Images with their classes, as in the tutorials: Pillow, then torchvision's transforms, image by image."""

    def __init__(self, source: Labelled) -> None:
        self.labels = source.labels
        self.images = Images(source, decode, processes=source.workers > 0)
        flips = [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()] if source.augment else []
        self.transform = v2.Compose([*flips, v2.ToDtype(torch.float32, scale=True)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[index]), self.labels[index]


class TunedFolder(Dataset):
    """The same images with libjpeg-turbo and torch's resize. They stay uint8; the main process scales whole batches."""

    def __init__(self, source: Labelled) -> None:
        self.labels, self.augment = source.labels, source.augment
        self.images = Images(source, decode_to_tensor, processes=source.workers > 0)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = self.images[index]
        return flipped(image, *(torch.rand(2) < 0.5).tolist()) if self.augment else image, self.labels[index]


def decode(path: str, side: int) -> torch.Tensor:
    """uint8 (3, side, side), stretched by antialiased bilinear scaling."""
    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
    except OSError as error:
        raise ValueError(f"{path!r} cannot be decoded ({error})") from None
    # Contiguous, because a view would make batches channels-last with 0 workers, but not with more workers.
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def loader(source: Labelled, seed: int, pin_memory: bool) -> DataLoader:
    """Batches of (images, classes), every image once in each epoch. The last batch may be smaller.

    Images have pixels in 0…1; the variant `tuned` delivers uint8.
    """
    if source.workers:
        require_shared_memory(_shared_bytes(source))
    return DataLoader(
        TunedFolder(source) if source.tuned else PlainFolder(source),
        batch_size=source.batch_size,
        shuffle=source.shuffle,
        generator=torch.Generator().manual_seed(seed),
        num_workers=source.workers,
        prefetch_factor=PREFETCH if source.workers else None,
        persistent_workers=source.workers > 0,
        pin_memory=pin_memory,
    )


def workers_alive() -> int:
    """How many worker processes are alive."""
    return len(multiprocessing.active_children())


def _shared_bytes(source: Labelled) -> int:
    image, element = 3 * source.side**2, 1 if source.tuned else 4
    batches = source.workers * (PREFETCH + 1) + 1
    return image * (element * source.batch_size * batches + (len(source.paths) if source.cache else 0))
