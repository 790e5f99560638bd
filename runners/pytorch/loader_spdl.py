"""SPDL: threads that leave the interpreter's lock while FFmpeg decodes."""

import dataclasses
import functools
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import spdl
import spdl.io
import torch
from spdl.io.utils import get_ffmpeg_versions
from spdl.pipeline import PipelineBuilder

from runners.harness.workload import Invalid
from runners.pytorch.ffmpeg import load_ffmpeg
from runners.reference.pixels import affine
from runners.reference.source import SIDE, Source

CHANNELS_FIRST = False
SCALE = "bilinear+full_chroma_int"
UNREADABLE = (OSError, RuntimeError, ValueError)
"""What reading, FFmpeg and SPDL raise for an image that is broken or gone."""


def opened(source: Source, endless: bool) -> Callable[[], Iterator]:
    """What gives a fresh pipeline at each call: one pass over the images in order, or one without end."""
    load_ffmpeg()
    return lambda: _pass(source, endless)


def pipeline(source: Source, endless: bool) -> PipelineBuilder:
    """From paths to batches. Everything in it can be sent to another process."""
    decode, finish = (_tuned if source.tuned else _plain)(source)
    names = source.paths if source.ready is None else range(len(source.paths))
    builder = PipelineBuilder().add_source(Endless(names) if endless else names)
    builder.pipe(decode, concurrency=source.workers, output_order="input").aggregate(source.batch_size)
    if finish is not None:
        builder.pipe(finish, output_order="input")
    return builder.add_sink(source.queue_batches)


@dataclass(frozen=True)
class Undecodable:
    """What stands for an image that cannot be decoded: SPDL's own failures do not say which image it was."""

    message: str


def checked(batch: torch.Tensor | list | Undecodable) -> torch.Tensor | list:
    """The batch, if every image of it was decoded. Raises Invalid."""
    for image in [batch] if isinstance(batch, Undecodable) else batch if isinstance(batch, list) else ():
        if isinstance(image, Undecodable):
            raise Invalid("DATA", image.message)
    return batch


class Endless:
    """The same again and again."""

    def __init__(self, names: Sequence) -> None:
        self.names = names

    def __iter__(self) -> Iterator:
        return itertools.cycle(self.names)


def settings(source: Source) -> dict[str, str]:
    """What is in effect, read back while the threads run."""
    alive = sum(thread.name.startswith("spdl_worker_thread") for thread in threading.enumerate())
    return {
        "workers_alive": str(alive),
        "worker_kind": "thread",
        "prefetch_batches": str(source.queue_batches),
        "decoder": f"spdl {spdl.__version__}, "
        + ", ".join(f"{name} {'.'.join(map(str, version))}" for name, version in get_ffmpeg_versions().items()),
        "filter": _resize(source),
    }


def _pass(source: Source, endless: bool) -> Iterator[torch.Tensor | list[torch.Tensor]]:
    built = pipeline(source, endless).build(num_threads=source.workers, max_failures=0)
    with built.auto_stop():
        yield from map(checked, built.get_iterator())


def _plain(source: Source) -> tuple[Callable, Callable | None]:
    """Image by image to a tensor, stacked and normalised as tensors."""
    decode = functools.partial(_decode, resize=_resize(source)) if source.ready is None else Ready(source.ready)
    return decode, None if source.stage == "decode" else _finisher(source, torch.stack)


def _tuned(source: Source) -> tuple[Callable, Callable | None]:
    """Frames stay FFmpeg's until a whole batch is copied out at once."""
    if source.stage == "decode" or source.ready is not None:
        return _plain(source)
    return functools.partial(_frames, resize=_resize(source)), _finisher(source, _convert)


def _finisher(source: Source, stack: Callable[[list], torch.Tensor]) -> Callable:
    light = dataclasses.replace(source, paths=(), ready=None)  # it may be sent to another process
    return functools.partial(_finish, source=light, stack=stack)


def _resize(source: Source) -> str:
    """What FFmpeg does to a decoded image."""
    if source.defaults:  # letterboxed, bicubic
        return spdl.io.get_video_filter_desc(scale_width=SIDE, scale_height=SIDE)
    return spdl.io.get_video_filter_desc(scale_width=SIDE, scale_height=SIDE, scale_mode=None, scale_algo=SCALE)


class Ready:
    """Images that lie decoded in memory, by position."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = torch.from_numpy(images)

    def __call__(self, position: int) -> torch.Tensor:
        return self.images[position]


def _decode(path: str, resize: str) -> torch.Tensor | Undecodable:
    try:
        return spdl.io.to_torch(spdl.io.load_image(_encoded(path), filter_desc=resize))
    except UNREADABLE as error:
        return _undecodable(path, error)


def _frames(path: str, resize: str) -> object:
    try:
        return spdl.io.decode_packets(spdl.io.demux_image(_encoded(path)), filter_desc=resize)
    except UNREADABLE as error:
        return _undecodable(path, error)


def _undecodable(path: str, error: Exception) -> Undecodable:
    return Undecodable(f"{path!r} cannot be decoded ({' '.join(str(error).split())})")


def _finish(images: list, source: Source, stack: Callable[[list], torch.Tensor]) -> torch.Tensor | Undecodable:
    """One tensor of the images, as the stage has it."""
    broken = next((image for image in images if isinstance(image, Undecodable)), None)
    if broken:
        return broken
    batch = _normalize(stack(images)) if source.normalized else stack(images)
    return batch.pin_memory() if source.pinned else batch


def _convert(frames: list) -> torch.Tensor:
    return spdl.io.to_torch(spdl.io.convert_frames(frames))


def _encoded(path: str) -> bytes:
    """The file's bytes: FFmpeg would read patterns and protocols into some names."""
    return Path(path).read_bytes()


def _normalize(batch: torch.Tensor) -> torch.Tensor:
    """float32, (N, 3, H, W), contiguous; in place once it is float."""
    scale, offset = (torch.from_numpy(values).view(3, 1, 1) for values in affine())
    planes = batch.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    return planes.mul_(scale).add_(offset)
