"""Drops files from the kernel's page cache. Any process that can read a file may do so."""

import os
import time
from collections.abc import Sequence

PROBED = 64
"""About how many files are checked afterwards."""
TRIES = 5
"""Attempts to drop a file: a page that was just put on another CPU's list survives the first."""
SETTLED_SECONDS = 0.05
"""Time for pages that the kernel reads ahead to arrive: a page on its way cannot be dropped."""


def drop(paths: Sequence[str]) -> str | None:
    """Ask the kernel to drop the files, and check that it did. Returns None, or the reason why it did not."""
    probed = paths[:: max(1, len(paths) // PROBED)]
    kept = list(paths)
    try:
        for _ in range(TRIES):
            for path in kept:
                _drop(path)
            kept = [path for path in probed if _cached(path)]
            # The check makes some kernels read ahead.
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
        os.fsync(descriptor)  # pages that are not on the disk yet cannot be dropped
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _cached(path: str) -> bool:
    """Whether the first byte can be read without waiting for the disk (preadv2's RWF_NOWAIT)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(descriptor, [bytearray(1)], 0, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
