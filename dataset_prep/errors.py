"""What can go wrong here, each with the exit code that the person's shell sees."""

import errno
import os


class PreparationError(Exception):
    """Nothing was prepared; the message says what happened, where, and what to do."""

    exit_code = 2


class BadInput(PreparationError):
    """What was asked for, or the data itself, cannot be used."""


class NotReady(PreparationError):
    """The machine, the network or the disk cannot do it now."""

    exit_code = 3


DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def machine_fault(error: OSError) -> NotReady:
    """What the operating system refused, as a message with a remedy."""
    where = f"{os.fspath(error.filename)!r}: " if error.filename is not None else ""
    if error.errno in DISK_FULL:
        return NotReady(
            f"{where}the disk is full; make room and run this again. Nothing unfinished was kept as finished"
        )
    reason = error.strerror or type(error).__name__
    return NotReady(f"{where}{reason}; check the folder's owner and mount, or name another with --out")
