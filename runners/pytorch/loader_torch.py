"""torch.utils.data.DataLoader with the decoders of its documentation: Pillow (plain) and torchvision (tuned)."""

from collections.abc import Callable, Iterator

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from runners.pytorch import dataloader
from runners.pytorch.tally import Tally
from runners.reference.source import SIDE, Source

CHANNELS_FIRST = True
stages = dataloader.stages


def opened(source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
    """A function that starts a pass over the images in order, or an endless pass."""
    return dataloader.passes(source, endless, decoder(source), tally)


def decoder(source: Source) -> Callable[[str], torch.Tensor]:
    """A function from a path to uint8 (3, H, W)."""
    return decode_tuned if source.tuned else PlainDecoder()


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, read back while the workers run."""
    library = f"torchvision {torchvision.__version__}" if source.tuned else f"pillow {PIL.__version__}"
    return dataloader.settings(source, library)


class PlainDecoder:
    """Pillow and torchvision's transforms, as in the documentation. Their defaults are the reference's."""

    def __init__(self) -> None:
        self.transform = v2.Compose([v2.Resize((SIDE, SIDE)), v2.PILToTensor()])

    def __call__(self, path: str) -> torch.Tensor:
        try:
            with Image.open(path) as image:
                return self.transform(image.convert("RGB"))
        except OSError as error:
            raise dataloader.undecodable(path, error) from None


def decode_tuned(path: str) -> torch.Tensor:
    """Decode with libjpeg-turbo straight into a tensor, and resize with torch's vectorised uint8 code."""
    return decoded(torch.from_numpy(np.fromfile(path, np.uint8)), path)


def decoded(encoded: torch.Tensor, path: str) -> torch.Tensor:
    """Uint8 (3, side, side) from the bytes of the image of this path."""
    try:
        image = decode_jpeg(encoded, mode=ImageReadMode.RGB)
    except RuntimeError as error:
        raise dataloader.undecodable(path, error) from None
    return functional.resize(image, [SIDE, SIDE], antialias=True)
