"""Files that are either whole or absent."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, data: bytes, lasting: bool = True) -> None:
    """Write `data` to `path`, whole or not at all. Raises OSError (disk full, no permission)."""
    with open_atomically(path, lasting) as file:
        file.write(data)


@contextlib.contextmanager
def open_atomically(path: Path, lasting: bool = True) -> Iterator[BinaryIO]:
    """A file to write that becomes `path` where the block ends well: a temporary name, flushed and renamed.

    A reader, or a machine that loses power, sees the old file or the new one, never half. What can be made again need
    not be `lasting`: it is not flushed, which of hundreds of files takes longer than all else, so that losing power may
    cost it.
    Raises OSError (disk full, no permission); the temporary file is removed then.
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
