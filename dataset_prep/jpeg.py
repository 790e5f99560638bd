"""Reads a JPEG's structure without decoding it: its size, its kind and its end.

Marker codes and segment layout: ITU-T T.81, annex B.
"""

from dataclasses import dataclass

HUFFMAN_FRAMES = {0xC0, 0xC1, 0xC2}
"""Markers of baseline, extended and progressive frames, which every decoder reads."""
OTHER_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
START, END, SCAN, ADOBE = 0xD8, 0xD9, 0xDA, 0xEE
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}

SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "a PNG",
    b"GIF8": "a GIF",
    b"RIFF": "a WebP or another RIFF file",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"\0\0\0": "an AVIF, HEIF or video file, or zeros",
    b"<": "markup, perhaps a saved web page",
    b"version https://git-lfs": "a Git LFS pointer, for which `git lfs pull` fetches the image,",
}


class Unusable(Exception):
    """Some framework cannot use this image. The message is the reason in the manifest."""


@dataclass(frozen=True)
class Frame:
    """The size of a picture, from its header, and the offset after its last image data."""

    width: int
    height: int
    data_end: int


def read_frame(data: bytes, max_pixels: int) -> Frame:
    """Walk the segments from the start marker to the end marker. Raises Unusable.

    A search for the end marker would not do: an embedded thumbnail has an end marker of its own. Files from the web
    often have bytes after the end marker (padding, a camera's data), which every decoder ignores.
    """
    _require_signature(data)
    size: tuple[int, int] | None = None
    inks = plain_inks = False
    position = data_end = 2
    while True:
        marker, position = _next_marker(data, position)
        if marker == END:
            break
        if marker == START:
            raise Unusable("damaged: a second picture starts inside the first")
        if marker in WITHOUT_LENGTH:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        body = data[position + 2 : position + length]
        if length < 2 or len(body) < length - 2:
            raise Unusable("truncated: the file ends inside a header segment")
        if marker in HUFFMAN_FRAMES or marker in OTHER_FRAMES:
            if size is not None:
                raise Unusable("damaged: more than one frame header")
            size = _frame_size(marker, body, max_pixels)
            inks = body[5] == 4
        if marker == ADOBE and body.startswith(b"Adobe"):
            plain_inks = body[11:12] == b"\0"
        position += length
        if marker == SCAN:
            if size is None:
                raise Unusable("damaged: image data before the frame header")
            position = data_end = _skip_entropy_coded(data, position)
    if size is None:
        raise Unusable("damaged: no frame header")
    if inks and not plain_inks:
        raise Unusable("CMYK as YCCK or without Adobe's marker, which decoders show in different colours")
    return Frame(*size, data_end)


def _require_signature(data: bytes) -> None:
    if not data:
        raise Unusable("empty file")
    if data[:3] == b"\xff\xd8\xff":
        return
    for signature, name in SIGNATURES.items():
        if data.startswith(signature):
            raise Unusable(f"not a JPEG: {name} by its content")
    raise Unusable("not a JPEG: its first bytes are none that a JPEG has")


def _next_marker(data: bytes, position: int) -> tuple[int, int]:
    """The next marker at or after `position`, without fill bytes, and the offset after it."""
    position = data.find(b"\xff", position)
    while 0 <= position < len(data) - 1:
        if data[position + 1] not in (0x00, 0xFF):
            return data[position + 1], position + 2
        position = data.find(b"\xff", position + 1)
    raise Unusable("truncated: no end-of-image marker")


def _frame_size(marker: int, body: bytes, max_pixels: int) -> tuple[int, int]:
    if marker in OTHER_FRAMES:
        raise Unusable("lossless, hierarchical or arithmetic-coded JPEG, which not every decoder reads")
    if len(body) < 6:
        raise Unusable("damaged: frame header too short")
    precision = body[0]
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if precision != 8:
        raise Unusable(f"{precision} bits a channel; only 8 are read by every decoder")
    if not width or not height:
        raise Unusable(f"header gives {width}x{height} pixels")
    if width * height > max_pixels:
        raise Unusable(f"header gives {width}x{height} pixels, more than the {max_pixels:,} allowed; not decoded")
    return width, height


def _skip_entropy_coded(data: bytes, position: int) -> int:
    """The offset of the first marker after a scan's data. Stuffed zeros and restart markers belong to the data."""
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            raise Unusable("truncated: no end-of-image marker")
        if data[position + 1] != 0 and not 0xD0 <= data[position + 1] <= 0xD7:
            return position
        position += 2
