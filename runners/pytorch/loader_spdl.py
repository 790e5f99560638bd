"""SPDL: threads that leave the interpreter's lock while FFmpeg decodes."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import spdl
import spdl.io
import torch
from spdl.io.utils import get_ffmpeg_versions
from spdl.pipeline import PipelineBuilder, PipelineFailure

from runners.harness.workload import Invalid
from runners.pytorch.ffmpeg import load_ffmpeg
from runners.reference.pixels import affine
from runners.reference.source import SIDE, Source

CHANNELS_FIRST = False
SCALE = "bilinear+full_chroma_int"


def deliver(source: Source, endless: bool) -> Iterator[torch.Tensor | list[torch.Tensor]]:
    """One pass over the images in order, or the same without end; closing it ends the threads."""
    load_ffmpeg()
    # scale_mode's default would letterbox, output_order's would deliver by completion, max_failures' would drop.
    resize = spdl.io.get_video_filter_desc(scale_width=SIDE, scale_height=SIDE, scale_mode=None, scale_algo=SCALE)
    decode, finish = (_tuned if source.tuned else _plain)(source.stage, resize)
    builder = PipelineBuilder().add_source(itertools.cycle(source.paths) if endless else source.paths)
    builder.pipe(decode, concurrency=source.workers, output_order="input").aggregate(source.batch_size)
    if finish is not None:
        builder.pipe(finish, output_order="input")
    pipeline = builder.add_sink(source.queue_batches).build(num_threads=source.workers, max_failures=0)
    try:
        with pipeline.auto_stop():
            yield from pipeline.get_iterator()
    except PipelineFailure as error:
        raise Invalid("DATA", f"SPDL could not decode an image ({' '.join(str(error).split())})") from None


def settings(source: Source) -> dict[str, str]:
    """What is in effect, read back while the threads run."""
    alive = sum(thread.name.startswith("spdl_worker_thread") for thread in threading.enumerate())
    return {
        "workers_alive": str(alive),
        "worker_kind": "thread",
        "prefetch_batches": str(source.queue_batches),
        "decoder": f"spdl {spdl.__version__}, "
        + ", ".join(f"{name} {'.'.join(map(str, version))}" for name, version in get_ffmpeg_versions().items()),
        "scale": SCALE,
    }


def _plain(stage: str, resize: str) -> tuple[Callable, Callable | None]:
    """Image by image to a tensor, stacked and normalised as tensors."""

    def decode(path: str) -> torch.Tensor:
        return spdl.io.to_torch(spdl.io.load_image(_encoded(path), filter_desc=resize))

    finish = {"decode": None, "batch": torch.stack, "normalize": lambda images: _normalize(torch.stack(images))}
    return decode, finish[stage]


def _tuned(stage: str, resize: str) -> tuple[Callable, Callable | None]:
    """Frames stay FFmpeg's until a whole batch is copied out at once."""

    def decode(path: str) -> object:
        return spdl.io.decode_packets(spdl.io.demux_image(_encoded(path)), filter_desc=resize)

    def decode_one(path: str) -> torch.Tensor:
        return spdl.io.to_torch(spdl.io.convert_frames(decode(path)))

    def stack(frames: list) -> torch.Tensor:
        return spdl.io.to_torch(spdl.io.convert_frames(frames))

    finish = {"decode": None, "batch": stack, "normalize": lambda frames: _normalize(stack(frames))}
    return (decode_one if stage == "decode" else decode), finish[stage]


def _encoded(path: str) -> bytes:
    """The file's bytes: FFmpeg would read patterns and protocols into some names."""
    return Path(path).read_bytes()


def _normalize(batch: torch.Tensor) -> torch.Tensor:
    """float32, (N, 3, H, W), contiguous; in place once it is float."""
    scale, offset = (torch.from_numpy(values).view(3, 1, 1) for values in affine())
    planes = batch.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    return planes.mul_(scale).add_(offset)
