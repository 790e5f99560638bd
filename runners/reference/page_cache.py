"""Puts files out of the kernel's page cache, as any process may that can read them."""

import os
from collections.abc import Sequence

PROBED = 64
"""Files that are looked at afterwards."""


def drop(paths: Sequence[str]) -> str | None:
    """Ask the kernel to forget the files, and look whether it did: None, or why a cold pass cannot be had here."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # pages that are not written yet cannot be dropped
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            return f"the page cache cannot be dropped here ({error.strerror})"
        finally:
            os.close(descriptor)
    probed = paths[:: max(1, len(paths) // PROBED)]
    try:
        kept = sum(_cached(path) for path in probed)
    except OSError as error:
        return f"whether the page cache was dropped cannot be seen here ({error.strerror})"
    return f"{kept} of {len(probed)} files stayed in the page cache" if kept else None


def _cached(path: str) -> bool:
    """Whether the first byte can be had without waiting for storage (preadv2's RWF_NOWAIT)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(descriptor, [bytearray(1)], 0, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
