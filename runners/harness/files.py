"""Files that are written completely or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


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
