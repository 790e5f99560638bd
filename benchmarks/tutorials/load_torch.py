"""Image loading as a PyTorch user writes it: ImageFolder, torchvision's transforms and a DataLoader.

argv: folder, batch size, workers, batches to skip, batches to time. Prints JSON: images a second.
"""

import json
import sys
import time

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2


def main() -> None:
    folder, (batch_size, workers, skipped, timed) = sys.argv[1], map(int, sys.argv[2:6])
    torch.set_num_threads(1)
    transform = v2.Compose(
        [
            v2.Resize((224, 224)),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    images = ImageFolder(folder, transform)
    again = list(range(len(images))) * ((skipped + timed + 64 * workers) * batch_size // len(images) + 1)
    batches = iter(DataLoader(images, batch_size, sampler=again, num_workers=workers))
    for _ in range(skipped):
        next(batches)
    began = time.perf_counter()
    for _ in range(timed):
        next(batches)
    print(json.dumps({"images_per_second": timed * batch_size / (time.perf_counter() - began)}))


main()
