"""Image loading as DALI's documentation shows it: a file reader, the decoder, a resize and a normalisation.

EXIF orientations are ignored, as by the reference. argv: folder, batch size, workers, batches to skip, batches to time.
Prints JSON: images a second.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from nvidia.dali import fn, pipeline_def, types

MEAN = [0.485 * 255, 0.456 * 255, 0.406 * 255]
STD = [0.229 * 255, 0.224 * 255, 0.225 * 255]


@pipeline_def
def images(files: list[str]) -> object:
    encoded, _ = fn.readers.file(files=files)
    decoded = fn.decoders.image(encoded, device="cpu", adjust_orientation=False)
    resized = fn.resize(decoded, resize_x=224, resize_y=224)
    return fn.crop_mirror_normalize(resized, dtype=types.FLOAT, output_layout="HWC", mean=MEAN, std=STD)


def main() -> None:
    folder, (batch_size, workers, skipped, timed) = sys.argv[1], map(int, sys.argv[2:6])
    files = sorted(str(path) for path in Path(folder).rglob("*.[jJ][pP]*[gG]"))
    pipe = images(files, batch_size=batch_size, num_threads=workers, device_id=None)
    for _ in range(skipped):
        np.array(pipe.run()[0].as_tensor())
    began = time.perf_counter()
    for _ in range(timed):
        np.array(pipe.run()[0].as_tensor())
    print(json.dumps({"images_per_second": timed * batch_size / (time.perf_counter() - began)}))


main()
