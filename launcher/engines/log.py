"""A replicate's log: all of a usual one, head and tail of one that grew too long."""

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HEAD_BYTES = TAIL_BYTES = 2**20
MOST_BYTES = HEAD_BYTES + TAIL_BYTES + 100
"""Of a log with the sentence that stands where it was cut."""
CHUNK_BYTES = 2**16
LAST_CHUNKS = 16
"""How much is read after the replicate's end: a pipe holds no more, unless a process still writes to it."""


class Log:
    """Takes in what a replicate prints. However much that is, memory and file stay small.

    Only `close` raises OSError: a runner that prints must not have to wait because the disk is full.
    """

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._file = path.open("xb", buffering=0)
        self._size, self._tail = 0, bytearray()
        self._error: OSError | None = None

    def write(self, data: bytes) -> None:
        """Add to the log."""
        head = data[: max(0, HEAD_BYTES - self._size)]
        self._put(head)
        self._size += len(data)
        self._tail += data[len(head) :]
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]

    def close(self) -> None:
        """Write the tail. Raises OSError if anything could not be written."""
        cut = self._size - HEAD_BYTES - TAIL_BYTES
        self._put(f"\n[{cut:,} bytes cut here]\n".encode() if cut > 0 else b"")
        self._put(bytes(self._tail[-TAIL_BYTES:]))
        self._file.close()
        if self._error:
            raise self._error

    def _put(self, data: bytes) -> None:
        try:
            while data and self._error is None:
                data = data[self._file.write(data) :]
        except OSError as error:
            self._error = error


@contextmanager
def piped(path: Path) -> Iterator[int]:
    """A descriptor for a child to print to; the log becomes `path`. Raises OSError at the end for a log cut short."""
    log = Log(path)
    source, sink = os.pipe()
    ended, end = os.pipe()
    os.set_blocking(source, False)
    reader = threading.Thread(target=_read, args=(source, ended, log), daemon=True)
    reader.start()
    try:
        yield sink
    finally:
        os.close(end)
        reader.join()
        for descriptor in (source, sink, ended):
            os.close(descriptor)
        log.close()


def _read(source: int, ended: int, log: Log) -> None:
    """Read until `ended`, then what is left. Whoever still holds the other end cannot keep this waiting."""
    poll, left = select.poll(), LAST_CHUNKS
    poll.register(source, select.POLLIN)
    poll.register(ended, select.POLLIN)
    while left:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if source in ready:
            log.write(os.read(source, CHUNK_BYTES))
        if ended in ready:
            left = left - 1 if source in ready else 0
