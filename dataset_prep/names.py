"""Which names are images, and which are none of the data's business."""

import os

JPEG_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif"}
OTHER_IMAGE_SUFFIXES = {".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".heic", ".avif"}
SYSTEM_FOLDERS = {"lost+found", "System Volume Information", "$RECYCLE.BIN", "__MACOSX", "@eaDir"}
"""Folders that operating systems and storage devices leave among other people's folders, often without access."""


def suffix(name: str) -> str:
    """The suffix of a file's name in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()


def is_hidden(name: str) -> bool:
    """Whether the name begins with a dot, as caches, version control and macOS's companion files do."""
    return name.startswith(".")
