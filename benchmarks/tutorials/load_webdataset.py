"""Image loading from tar files as WebDataset's documentation shows it: a fluid pipeline with Pillow in a DataLoader.

It resizes to equal pixels, and neither shuffles nor crops.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
import webdataset as wds
from torchvision.transforms import v2


def images(batch: list) -> torch.Tensor:
    """The images of a batch of images and classes."""
    return batch[0]


def batches(folder: Path, batch_size: int, workers: int) -> Iterator:
    """Batches of normalised images and classes without end."""
    torch.set_num_threads(1)
    transform = v2.Compose(
        [
            v2.Resize((224, 224)),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    shards = sorted(map(str, folder.glob("*.tar")))
    samples = wds.WebDataset(shards, shardshuffle=False).repeat().decode("pil").to_tuple("jpg", "cls")
    loaded = samples.map_tuple(transform, None).batched(batch_size)
    return iter(wds.WebLoader(loaded, batch_size=None, num_workers=workers))
