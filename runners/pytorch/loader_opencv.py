"""A DataLoader whose images OpenCV decodes.

None of OpenCV's own ways to resize is antialiased bilinear, so that at equal pixels torch resizes.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import torch
from torchvision.transforms.v2 import functional

from runners.pytorch import dataloader
from runners.pytorch.tally import Tally
from runners.reference.source import SIDE, Source

CHANNELS_FIRST = True
stages = dataloader.stages
RGB = cv2.IMREAD_COLOR_RGB


def opened(source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
    """A loader, each call of which gives one pass over the images in order, or one without end."""
    cv2.setNumThreads(1)  # inherited by the workers, which are what computes side by side
    return dataloader.passes(source, endless, decode_by_defaults if source.defaults else decode, tally)


def settings(source: Source) -> dict[str, str]:
    """What is in effect, read back while the workers run."""
    resize = f"opencv {cv2.__version__}" if source.defaults else f"torch {torch.__version__}"
    return {**dataloader.settings(source, f"opencv {cv2.__version__}"), "resize": resize}


def decode(path: str) -> torch.Tensor:
    """OpenCV's libjpeg-turbo, whose default is to turn images as their EXIF says, and torch's resize."""
    image = torch.from_numpy(_image(path, RGB | cv2.IMREAD_IGNORE_ORIENTATION))
    return functional.resize(image.permute(2, 0, 1), [SIDE, SIDE], antialias=True).contiguous()


def decode_by_defaults(path: str) -> torch.Tensor:
    """Bilinear without antialiasing."""
    return torch.from_numpy(cv2.resize(_image(path, RGB), (SIDE, SIDE))).permute(2, 0, 1).contiguous()


def _image(path: str, flags: int) -> np.ndarray:
    """RGB uint8 (H, W, 3). OpenCV's own reading of files takes no name that is not UTF-8."""
    image = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    if image is None:
        raise dataloader.undecodable(path, "OpenCV gave no image")
    return image
