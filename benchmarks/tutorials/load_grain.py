"""Image loading as Grain's documentation shows it: a data set of maps, batches, and worker processes that prefetch.

Reading threads and their buffer are left at Grain's defaults. argv: folder, batch size, workers, batches to skip,
batches to time. Prints JSON: images a second.
"""

import json
import sys
import time
from pathlib import Path

import grain
import numpy as np
from absl import flags
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def decode(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))


def normalize(image: np.ndarray) -> np.ndarray:
    return (image.astype(np.float32) / 255 - MEAN) / STD


def main() -> None:
    folder, (batch_size, workers, skipped, timed) = sys.argv[1], map(int, sys.argv[2:6])
    flags.FLAGS.mark_as_parsed()
    files = sorted(str(path) for path in Path(folder).rglob("*.[jJ][pP]*[gG]"))
    images = grain.MapDataset.source(files).repeat().map(decode).map(normalize).to_iter_dataset()
    batches = iter(images.batch(batch_size).mp_prefetch(grain.MultiprocessingOptions(num_workers=workers)))
    for _ in range(skipped):
        next(batches)
    began = time.perf_counter()
    for _ in range(timed):
        next(batches)
    print(json.dumps({"images_per_second": timed * batch_size / (time.perf_counter() - began)}))
    batches.close()


if __name__ == "__main__":  # Grain's workers import this module
    main()
