"""Is this file an image that every framework can read? Asked once, before anything is timed, with Pillow's decoder."""

import io
import struct
import warnings

import PIL
from PIL import Image, features

from dataset_prep.jpeg import Unusable, read_frame

MAX_PIXELS = 50_000_000
MAX_BYTES = 200 * 2**20
"""More than MAX_PIXELS pixels can cost as a JPEG; a larger file is not read into memory."""

DECODING_FAULTS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, RuntimeError, MemoryError,
    struct.error, Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow is known to raise on hostile bytes: its parsers do not promise one exception."""

# A broken EXIF block is worth no word: orientation and all other metadata are ignored.
warnings.filterwarnings("ignore", module="PIL")


def decoder() -> str:
    """The reference decoder and encoder, as it stands in a manifest's provenance."""
    library = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
    version = features.version_feature("libjpeg_turbo") or features.version_codec("jpg")
    return f"Pillow {PIL.__version__}, {library} {version}"


def inspect(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG that decodes to RGB from first to last pixel. Raises Unusable with the reason.

    CMYK, grayscale, progressive and EXIF-rotated pictures are fine (orientation is ignored), and so are any bytes
    behind the end marker: libjpeg's and FFmpeg's readers alike stop there. A file that declares several pictures
    (MPO) counts as animated.
    """
    frame = read_frame(data, MAX_PIXELS)
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG", "MPO"]) as image:
            if getattr(image, "n_frames", 1) != 1:
                raise Unusable("animated: declares more than one picture")
            if image.size != (frame.width, frame.height):
                raise Unusable(f"damaged: two sizes in one file, {frame.width}x{frame.height} and {image.size}")
            image.convert("RGB")
    except DECODING_FAULTS as error:
        raise Unusable(f"does not decode: {error}") from error
    return frame.width, frame.height
