"""Puts files out of the kernel's page cache, as any process may that can read them."""

import os
import time
from collections.abc import Sequence

PROBED = 64
"""Files, about, that are looked at afterwards."""
TRIES = 5
"""A page that another CPU has just put on its list survives being dropped once."""
SETTLED_SECONDS = 0.05
"""Until what was read ahead has come: a page on its way cannot be dropped."""


def drop(paths: Sequence[str]) -> str | None:
    """Ask the kernel to forget the files, and look whether it did: None, or why a cold pass cannot be had here."""
    probed = paths[:: max(1, len(paths) // PROBED)]
    kept = list(paths)
    try:
        for _ in range(TRIES):
            for path in kept:
                _drop(path)
            kept = [path for path in probed if _cached(path)]
            # Looking makes some kernels read ahead.
            time.sleep(SETTLED_SECONDS)
            for path in probed:
                _drop(path)
            if not kept:
                return None
    except OSError as error:
        return f"the page cache cannot be dropped here ({error.strerror})"
    return f"{len(kept)} of {len(probed)} files stayed in the page cache"


def _drop(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # pages that are not written yet cannot be dropped
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _cached(path: str) -> bool:
    """Whether the first byte can be had without waiting for storage (preadv2's RWF_NOWAIT)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(descriptor, [bytearray(1)], 0, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
