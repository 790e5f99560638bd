"""A DataLoader with OpenCV as its decoder.

OpenCV has no antialiased bilinear scaling, so torch resizes where pixels must equal the reference's.
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
    """A function that starts a pass over the images in order, or an endless pass."""
    cv2.setNumThreads(1)  # the workers inherit this setting; each of them computes on one thread
    return dataloader.passes(source, endless, decode_by_defaults if source.defaults else decode, tally)


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, read back while the workers run."""
    resize = f"opencv {cv2.__version__}" if source.defaults else f"torch {torch.__version__}"
    return {**dataloader.settings(source, f"opencv {cv2.__version__}"), "resize": resize}


def decode(path: str) -> torch.Tensor:
    """Decode with OpenCV's libjpeg-turbo, without the rotation by EXIF that is its default; resize with torch."""
    image = torch.from_numpy(_image(path, RGB | cv2.IMREAD_IGNORE_ORIENTATION))
    return functional.resize(image.permute(2, 0, 1), [SIDE, SIDE], antialias=True).contiguous()


def decode_by_defaults(path: str) -> torch.Tensor:
    """Decode and resize with OpenCV's defaults: bilinear scaling without antialiasing."""
    return torch.from_numpy(cv2.resize(_image(path, RGB), (SIDE, SIDE))).permute(2, 0, 1).contiguous()


def _image(path: str, flags: int) -> np.ndarray:
    """RGB uint8 (H, W, 3). NumPy reads the file, because OpenCV rejects file names that are not UTF-8."""
    image = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    if image is None:
        raise dataloader.undecodable(path, "OpenCV gave no image")
    return image
