"""Temporary folders. The launcher locks each of its own as long as it uses it, so that orphans can be told and removed.

A folder holds the file `owner`, which names the launcher and which it locks, and the folder to work in.
"""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from launcher.errors import NotReady
from launcher.ownership.lock import is_free
from launcher.ownership.owner import Owner, parse_owner, this_launcher

PREFIX = "levelfield-"
OWNER_NAME, WORK_NAME = "owner", "t"
MODE = 0o755
"""Other users may read who owns the folder."""

SOCKET_BYTES = 107
SOCKET_NAME = "/pymp-12345678/listener-12345678"
"""Where Python's multiprocessing puts a socket in a temporary folder; the workers of a DataLoader use such sockets."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A fresh empty folder, removed at the end with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    handle = os.open(folder / OWNER_NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        # Locked before it names its owner, and before others may read it: a name without a lock is an orphan's.
        is_free(handle)
        os.pwrite(handle, str(this_launcher()).encode(), 0)
        (folder / WORK_NAME).mkdir(0o700)
        with suppress(OSError):  # not every file system has modes
            os.fchmod(handle, 0o644)
            folder.chmod(MODE)
        yield folder / WORK_NAME
    finally:
        _remove(folder)
        os.close(handle)


def require_short_path() -> None:
    """Raise NotReady where a socket in a temporary folder would have too long a path, as after `TMPDIR=/very/long`."""
    base = tempfile.gettempdir()
    room = SOCKET_BYTES - len(os.fsencode(f"/{PREFIX}12345678/{WORK_NAME}{SOCKET_NAME}"))
    if len(os.fsencode(base)) > room:
        raise NotReady(
            f"TMPDIR={base}: too long; the path of a socket has {SOCKET_BYTES} bytes, which leaves {room} for TMPDIR. "
            "Set another for this command, such as TMPDIR=/tmp"
        )


def other_launchers() -> list[Owner]:
    """The other launchers at work on this machine, those of other users too."""
    alive = {owner for _, owner, ended in _folders() if not ended}
    return sorted(alive - {this_launcher()}, key=lambda owner: owner.pid)


def remove_orphans() -> int:
    """Remove the folders that dead launchers of this user left; returns how many."""
    orphans = [folder for folder, _, ended in _folders() if ended and folder.lstat().st_uid == os.getuid()]
    for folder in orphans:
        _remove(folder)
    return len(orphans)


def _remove(folder: Path) -> None:
    """Remove the folder; the owner's name goes last, so that what a killed launcher leaves can still be told."""
    shutil.rmtree(folder / WORK_NAME, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _folders() -> Iterator[tuple[Path, Owner, bool]]:
    """Each temporary folder of a launcher of this machine, with its launcher and whether that has certainly ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            handle = os.open(folder / OWNER_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            # Shared, so that two launchers that look at the same time do not take each other for the owner.
            free = stat.S_ISREG(os.fstat(handle).st_mode) and is_free(handle, fcntl.LOCK_SH)
            owner = parse_owner(os.pread(handle, 4096, 0).decode(errors="replace"))
        except OSError:
            owner = None
        finally:
            os.close(handle)
        if owner and owner.shares_kernel():
            yield folder, owner, free or owner.is_dead()
