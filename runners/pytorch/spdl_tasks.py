"""The tasks of SPDL's threads. All of them can be sent to another process."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import spdl.io
import torch

from runners.harness.workload import Invalid
from runners.pytorch.normalize import normalized
from runners.pytorch.tally import Tally
from runners.reference.pixels import affine
from runners.reference.source import SIDE, Source
from runners.reference.tally import timed

SCALE = "bilinear+full_chroma_int"
FORMAT = "jpeg_pipe"
"""FFmpeg's name for a JPEG in memory. FFmpeg tries all its formats on each image if it is not told."""
UNREADABLE = (OSError, RuntimeError, ValueError)
"""The errors of reading, FFmpeg and SPDL for a broken or missing image."""


@dataclass(frozen=True)
class Undecodable:
    """Stands for an image that cannot be decoded. SPDL's own failures do not name the image."""

    message: str


def checked(batch: torch.Tensor | list | Undecodable) -> torch.Tensor | list:
    """The batch. Raises Invalid if an image could not be decoded."""
    for image in [batch] if isinstance(batch, Undecodable) else batch if isinstance(batch, list) else ():
        if isinstance(image, Undecodable):
            raise Invalid("DATA", image.message)
    return batch


def resize_of(source: Source) -> str:
    """The description of FFmpeg's resize filter."""
    if source.defaults:  # FFmpeg letterboxes, with bicubic scaling
        return spdl.io.get_video_filter_desc(scale_width=SIDE, scale_height=SIDE)
    return spdl.io.get_video_filter_desc(scale_width=SIDE, scale_height=SIDE, scale_mode=None, scale_algo=SCALE)


def planes_normalized(images: torch.Tensor, pinned: bool) -> torch.Tensor:
    """Normalises uint8 (N, H, W, 3) to float32 (N, 3, H, W)."""
    return normalized(images.permute(0, 3, 1, 2), pinned)


class PlainImage:
    """Decodes an image path to uint8 (H, W, 3)."""

    def __init__(self, source: Source) -> None:
        self.resize = resize_of(source)

    def __call__(self, path: str) -> torch.Tensor | Undecodable:
        try:
            return spdl.io.to_torch(spdl.io.load_image(_encoded(path), filter_desc=self.resize))
        except UNREADABLE as error:
            return _undecodable(path, error)


class ReadyImage:
    """Returns a decoded image from memory, by its position."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = torch.from_numpy(images)

    def __call__(self, position: int) -> torch.Tensor:
        return self.images[position]


class PlainBatch:
    """Stacks images to one tensor and, depending on the stage, normalises it, with the most obvious operations."""

    def __init__(self, source: Source, tally: Tally | None = None) -> None:
        self.stack = timed(tally, "batch", torch.stack)
        self.normalize = timed(tally, "normalize", _normalize) if source.normalized else None

    def __call__(self, images: list[torch.Tensor | Undecodable]) -> torch.Tensor | Undecodable:
        broken = next((image for image in images if isinstance(image, Undecodable)), None)
        if broken:
            return broken
        batch = self.stack(images)
        return self.normalize(batch) if self.normalize else batch


class TunedBatch:
    """Makes a batch from paths or positions, all in one task, because a queue of single images costs time too.

    FFmpeg keeps the frames until all of them are copied out at once.
    """

    def __init__(self, source: Source, tally: Tally | None = None) -> None:
        self.stage, self.resize = source.stage, resize_of(source)
        self.ready = None if source.ready is None else torch.from_numpy(source.ready)
        self.decode, self.stack = timed(tally, "decode", self._decoded), timed(tally, "batch", _stacked)
        normalize = timed(tally, "normalize", partial(planes_normalized, pinned=source.pinned))
        self.normalize = normalize if source.normalized else None

    def __call__(self, names: list) -> torch.Tensor | list | Undecodable:
        if self.ready is not None:
            images = self.ready[names]
            return list(images) if self.stage == "decode" else self._finished(images)
        frames = self.decode(names)
        if isinstance(frames, Undecodable) or self.stage == "decode":
            return frames
        return self._finished(self.stack(frames))

    def _decoded(self, paths: list[str]) -> list | Undecodable:
        """FFmpeg's frames; for the stage `decode`, which delivers single images, tensors."""
        frames, known = [], spdl.io.demux_config(format=FORMAT)
        for path in paths:
            try:
                packets = spdl.io.demux_image(_encoded(path), demux_config=known)
                frames.append(spdl.io.decode_packets(packets, filter_desc=self.resize))
            except UNREADABLE as error:
                return _undecodable(path, error)
        return [_stacked(frame) for frame in frames] if self.stage == "decode" else frames

    def _finished(self, images: torch.Tensor) -> torch.Tensor:
        return self.normalize(images) if self.normalize else images


def _stacked(frames: object) -> torch.Tensor:
    """uint8 (N, H, W, 3) from N frames, or (H, W, 3) from one frame."""
    return spdl.io.to_torch(spdl.io.convert_frames(frames))


def _encoded(path: str) -> bytes:
    """The file's bytes. FFmpeg itself would take some file names for patterns or protocols."""
    return Path(path).read_bytes()


def _undecodable(path: str, error: Exception) -> Undecodable:
    return Undecodable(f"{path!r} cannot be decoded ({' '.join(str(error).split())})")


def _normalize(batch: torch.Tensor) -> torch.Tensor:
    """Contiguous float32 (N, 3, H, W) from uint8 (N, H, W, 3)."""
    scale, offset = (torch.from_numpy(values).view(3, 1, 1) for values in affine())
    planes = batch.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    return planes.mul_(scale).add_(offset)
