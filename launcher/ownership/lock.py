"""Locks on files and folders. The kernel drops the lock of a process that dies, so a dead holder never blocks."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from launcher.errors import NotReady
from launcher.ownership.owner import parse_owner, this_launcher

LOCK_NAME = ".lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep the run folder for this launcher. Raises NotReady with the name of a launcher that has it already."""
    require_locks(folder)
    path = folder / LOCK_NAME
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    try:
        _acquire(handle, path)
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{this_launcher()}\n".encode(), 0)
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Lock a file or folder, if there is one; False where another process holds the lock, or may hold it.

    filelock locks no folders, and leaves a marker behind where the file system has no locks.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        yield True
        return
    try:
        yield is_free(handle)
    finally:
        os.close(handle)


def is_free(handle: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Try to lock; False where another process holds the lock, or where the file system has no locks."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def require_locks(folder: Path) -> None:
    """Raise NotReady where files in the folder, which need not exist yet, could not be locked. Leaves nothing."""
    place = next(path for path in (folder, *folder.parents) if path.is_dir())
    # Whoever writes there says why a folder cannot be written to.
    with suppress(OSError), tempfile.TemporaryFile(dir=place) as file:
        _lock(file.fileno(), folder)


def _lock(handle: int, folder: Path) -> bool:
    """Try to lock; whether that worked. Raises NotReady where the file system has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise NotReady(
            f"{folder}: files cannot be locked there ({error.strerror}), so two launchers could write into one run; "
            "choose another --out, or mount the file system with locks (Lustre: -o flock)"
        ) from error
    return True


def _acquire(handle: int, path: Path) -> None:
    held = not _lock(handle, path.parent)
    owner = parse_owner(os.pread(handle, 4096, 0).decode(errors="replace"))
    if held or (owner and not owner.shares_kernel()):
        who = f"process {owner.pid} on {owner.host}" if owner else "another launcher"
        remedy = "wait for it, or stop it" if held else f"if it is dead, remove {path}"
        raise NotReady(f"{path.parent} is in use by {who}; {remedy}")
    if not path.exists() or os.fstat(handle).st_ino != path.stat().st_ino:
        raise NotReady(f"{path.parent} was released this moment by another launcher; try again")
