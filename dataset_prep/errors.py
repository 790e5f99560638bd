"""The errors of a preparation, each with its exit code."""

import errno
import os
from pathlib import Path


class PreparationError(Exception):
    """Nothing was prepared. The message says what happened, where, and what to do."""

    exit_code = 2


class BadInput(PreparationError):
    """The options or the data cannot be used."""


class NotReady(PreparationError):
    """The machine, the network or the disk failed; another try may succeed."""

    exit_code = 3


DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def machine_fault(error: OSError, out: Path | None) -> NotReady:
    """An error of the operating system, with advice. A full disk does not say where; then it is `out`."""
    path = error.filename if error.filename is not None else out
    where = f"{os.fspath(path)!r}: " if path is not None else ""
    if error.errno in DISK_FULL:
        return NotReady(
            f"{where}the disk is full; make room and run this again. Nothing unfinished was kept as finished"
        )
    reason = error.strerror or type(error).__name__
    return NotReady(f"{where}{reason}; check the folder's owner and mount, or name another with --out")
