"""The images of `fit`, for every PyTorch loader: decoded, and cached if the case says so."""

from collections.abc import Callable

import numpy as np
import torch
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2 import functional

from runners.reference.labelled import Labelled


class Images:
    """Decodes the images of a split to uint8 (3, side, side), and keeps them if the source has a cache.

    If two workers decode the same image at the same time, they write the same bytes, so no lock is needed.
    """

    def __init__(self, source: Labelled, decode: Callable[[str, int], torch.Tensor], processes: bool = False) -> None:
        self.source, self.decode = source, decode
        if source.cache:
            self.kept = torch.empty((len(source.paths), 3, source.side, source.side), dtype=torch.uint8)
            self.filled = torch.zeros(len(source.paths), dtype=torch.bool)
            if processes:
                # All workers share one cache; otherwise each would fill a cache of its own.
                self.kept.share_memory_()
                self.filled.share_memory_()

    def __getitem__(self, position: int) -> torch.Tensor:
        if not self.source.cache:
            return self.decode(self.source.paths[position], self.source.side)
        if not self.filled[position]:
            self.kept[position] = self.decode(self.source.paths[position], self.source.side)
            self.filled[position] = True
        return self.kept[position]


def decode_to_tensor(path: str, side: int) -> torch.Tensor:
    """uint8 (3, side, side), stretched by antialiased bilinear scaling, with libjpeg-turbo and torch's fast resize."""
    try:
        image = decode_jpeg(torch.from_numpy(np.fromfile(path, np.uint8)), mode=ImageReadMode.RGB)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{path!r} cannot be decoded ({error})") from None
    return functional.resize(image, [side, side], antialias=True)


def flipped(image: torch.Tensor, left_right: bool, upside_down: bool) -> torch.Tensor:
    """The image (…, height, width), flipped."""
    axes = [axis for axis, flip in ((-1, left_right), (-2, upside_down)) if flip]
    return image.flip(axes) if axes else image


def scaled(batch: torch.Tensor) -> torch.Tensor:
    """The batch with pixels in 0…1. It may already be so, or still be uint8."""
    return batch if batch.is_floating_point() else batch.to(torch.float32).div_(255)
