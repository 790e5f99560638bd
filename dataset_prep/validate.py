"""Checks with Pillow, before anything is timed, that every framework can read an image."""

import hashlib
import io
import struct
import warnings

import PIL
from PIL import Image, features

from dataset_prep.jpeg import Frame, Unusable, read_frame

MAX_PIXELS = 50_000_000
MAX_BYTES = 200 * 2**20
"""More bytes than a JPEG of MAX_PIXELS pixels can need. A larger file is not read into memory."""

MORE_DATA = bytes.fromhex("b56dd6ab5ab5") * 40
"""Image data without a marker, for pictures that have not enough of their own."""

DECODING_FAULTS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, RuntimeError, MemoryError,
    struct.error, Image.DecompressionBombError,
)  # fmt: skip
"""The known errors of Pillow on hostile bytes. Its parsers do not promise a common exception."""

# Warnings about broken EXIF blocks do not matter, because all metadata is ignored.
warnings.filterwarnings("ignore", module="PIL")


def decoder() -> str:
    """The name and version of the reference decoder and encoder, for a manifest's provenance."""
    library = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
    version = features.version_feature("libjpeg_turbo") or features.version_codec("jpg")
    return f"Pillow {PIL.__version__}, {library} {version}"


def inspect(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG that decodes completely to RGB. Raises Unusable with the reason.

    CMYK, grayscale, progressive and EXIF-rotated pictures are allowed; orientation is ignored. Bytes after the end
    marker are allowed, because the readers of libjpeg and FFmpeg stop there. A file that declares several pictures
    (MPO) counts as animated.

    Libjpeg fills a picture whose data end too early, and reports nothing that Pillow hands on. But only such a picture
    changes if more data follow.
    """
    frame = read_frame(data, MAX_PIXELS)
    longer = data[: frame.data_end] + MORE_DATA + data[frame.data_end :]
    try:
        if _decoded(data, frame) != _decoded(longer, frame):
            raise Unusable("truncated: the data end before the picture does, although an end-of-image marker follows")
    except DECODING_FAULTS as error:
        raise Unusable(f"does not decode: {error}") from error
    return frame.width, frame.height


def _decoded(data: bytes, frame: Frame) -> str:
    """A digest of the picture's pixels."""
    with Image.open(io.BytesIO(data), formats=["JPEG", "MPO"]) as image:
        if getattr(image, "n_frames", 1) != 1:
            raise Unusable("animated: declares more than one picture")
        if image.size != (frame.width, frame.height):
            raise Unusable(f"damaged: two sizes in one file, {frame.width}x{frame.height} and {image.size}")
        return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()
