"""Image loading from tar files as WebDataset's documentation shows it: a fluid pipeline with Pillow in a DataLoader.

It resizes to equal pixels, and neither shuffles nor crops. WebDataset repeats its shards by itself.
argv: folder with *.tar, batch size, workers, batches to skip, batches to time. Prints JSON: images a second, and CPU
seconds an image.
"""

import json
import sys
from pathlib import Path

import torch
import webdataset as wds
from torchvision.transforms import v2

from benchmarks.tutorials.steady import steady


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
    shards = sorted(str(path) for path in Path(folder).glob("*.tar"))
    images = wds.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("jpg", "cls").map_tuple(transform)
    batches = images.repeat().batched(batch_size)
    loader = wds.WebLoader(batches, batch_size=None, num_workers=workers)
    print(json.dumps(steady(iter(loader), batch_size, skipped, timed)))


main()
