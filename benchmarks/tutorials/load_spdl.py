"""SPDL's example: images decoded in threads, batches collated and normalised.

The resize filter comes as close to the reference's pixels as SPDL can; its defaults would letterbox.
argv: folder, batch size, workers, batches to skip, batches to time. Prints JSON: images a second.
"""

import json
import sys
import time
from itertools import cycle
from pathlib import Path

from runners.pytorch.ffmpeg import load_ffmpeg

load_ffmpeg()

import spdl.io  # noqa: E402
import torch  # noqa: E402
from spdl.pipeline import PipelineBuilder  # noqa: E402

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
RESIZE = spdl.io.get_video_filter_desc(
    scale_width=224, scale_height=224, scale_mode=None, scale_algo="bilinear+full_chroma_int"
)


def decode(path: str) -> object:
    packets = spdl.io.demux_image(path)
    return spdl.io.decode_packets(packets, filter_desc=RESIZE)


def collate(frames: list) -> torch.Tensor:
    batch = spdl.io.to_torch(spdl.io.convert_frames(frames)).permute(0, 3, 1, 2)
    return (batch.float() / 255 - MEAN) / STD


def main() -> None:
    folder, (batch_size, workers, skipped, timed) = sys.argv[1], map(int, sys.argv[2:6])
    torch.set_num_threads(1)
    paths = sorted(str(path) for path in Path(folder).rglob("*.[jJ][pP]*[gG]"))
    pipeline = (
        PipelineBuilder()
        .add_source(cycle(paths))
        .pipe(decode, concurrency=workers, output_order="input")
        .aggregate(batch_size)
        .pipe(collate)
        .add_sink(workers)
        .build(num_threads=workers)
    )
    with pipeline.auto_stop():
        batches = pipeline.get_iterator()
        for _ in range(skipped):
            next(batches)
        began = time.perf_counter()
        for _ in range(timed):
            next(batches)
        print(json.dumps({"images_per_second": timed * batch_size / (time.perf_counter() - began)}))


main()
