"""Files that are written completely or not at all, and read only if they are files."""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

NOT_REGULAR = "not a regular file"


def write_atomically(path: Path, data: bytes, lasting: bool = True) -> None:
    """Write `data` to `path`, completely or not at all. Raises OSError (disk full, no permission)."""
    with open_atomically(path, lasting) as file:
        file.write(data)


@contextlib.contextmanager
def open_atomically(path: Path, lasting: bool = True) -> Iterator[BinaryIO]:
    """A file that becomes `path` if the `with` block ends without an error: it is flushed, then renamed.

    A reader sees the old file or the new file, never a half, even after a loss of power. A file that can be made again
    need not be `lasting`: without the flush, which takes long for hundreds of files, a loss of power may cost it.
    Raises OSError (disk full, no permission) and then removes the temporary file.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def read_regular(path: str | Path, most_bytes: int | None = None, follow: bool = False) -> bytes:
    """The bytes of a file that anybody may have put there: a pipe cannot block, and an endless device is not read.

    Raises OSError, also for a link unless it may `follow` links, for anything else than a regular file, and for a file
    of more than `most_bytes`, if there is a limit. `strerror` says which.
    """
    kept = os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | kept)) as file:
            kind = os.fstat(file.fileno())
            if not stat.S_ISREG(kind.st_mode):
                raise OSError(errno.EINVAL, NOT_REGULAR, str(path))
            if most_bytes is None:
                return file.read()
            data = file.read(most_bytes + 1) if kind.st_size <= most_bytes else None
    except OSError as error:
        said = {errno.ELOOP: error.strerror if follow else "a link, which is not followed"}
        said |= dict.fromkeys((errno.EISDIR, errno.ENXIO), NOT_REGULAR)  # a folder; a socket
        raise OSError(error.errno, said.get(error.errno or 0, error.strerror), str(path)) from None
    if data is None or len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"larger than {most_bytes:,} bytes", str(path))
    return data
