"""Records from files: regular ones alone, in order of name, by every CPU where there are many."""

import gc
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import NamedTuple

from aggregator.forked import FORK, follow
from aggregator.reading.parse import BadRecord, NewerSchema, parse_record
from aggregator.reading.replicate import compute
from aggregator.reading.sharing import Sharing
from runners.harness.record import Record, Status

SIZE_LIMIT = 32 * 2**20
"""Bytes of one record; the longest loader stream stays well below it."""
CHUNK = 250
"""Files that are read at a time."""
ALONE = 2000
"""Up to so many files this process reads itself: starting others would take longer."""
Good = list[tuple[str, Record]]
Bad = list[tuple[str, BadRecord]]


class Chunk(NamedTuple):
    """What some files hold; nothing where one of them is of a newer schema."""

    good: Good
    bad: Bad
    newer: NewerSchema | None = None


def read_records(folder: Path, meanwhile: Callable[[], object] | None = None) -> tuple[Good, Bad]:
    """Each usable record of `folder` and each unusable file, by file name. Links and special files are not followed.
    `meanwhile` is done while other processes read, where there is so much to read.

    Raises NewerSchema, which names the file, and BrokenProcessPool where a process that read files was killed.
    """
    good: Good = []
    names, bad = record_files(folder)
    chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    with _kept():
        for read in _in_turn(folder, chunks, 1 if len(names) <= ALONE else len(os.sched_getaffinity(0)), meanwhile):
            if read.newer:
                raise read.newer
            good += read.good
            bad += read.bad
    return good, bad


def record_files(folder: Path) -> tuple[list[str], Bad]:
    """Names of the regular files *.json, in order; links and special files are named among the bad."""
    if folder.is_symlink():
        return [], [(folder.name, BadRecord("is a link, not a folder; not followed"))]
    if not folder.is_dir():
        return [], []
    try:
        with os.scandir(folder) as entries:
            kinds = {
                entry.name: entry.is_file(follow_symlinks=False)
                for entry in entries
                if entry.name.endswith(".json") and not entry.name.startswith(".")
            }
    except OSError as error:
        return [], [(folder.name, BadRecord(f"cannot be read ({error.strerror})"))]
    names = sorted(kinds, key=os.fsencode)
    odd = BadRecord("not a regular file; links are not followed")
    return [name for name in names if kinds[name]], [(name, odd) for name in names if not kinds[name]]


def read_regular(path: str | Path) -> bytes:
    """The file's bytes; no link is followed and no pipe can block. Raises OSError, BadRecord."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise BadRecord("not a regular file")
        if status.st_size > SIZE_LIMIT:
            raise BadRecord(f"{status.st_size} bytes, more than the {SIZE_LIMIT} that a record may have")
        return os.read(handle, status.st_size + 1)
    finally:
        os.close(handle)


@contextmanager
def _kept() -> Iterator[None]:
    """What is made within stays: looking through a hundred thousand records for garbage takes longer than reading."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if collecting:
            gc.enable()


def _in_turn(
    folder: Path, chunks: Sequence[Sequence[str]], processes: int, meanwhile: Callable[[], object] | None
) -> Iterator[Chunk]:
    """What each chunk's files hold, in the order of the chunks however many processes read them."""
    sharing = Sharing()
    if processes == 1:
        yield from (_read_chunk(folder, chunk, sharing) for chunk in chunks)
        return
    begun = FORK.Value("q", 0)
    unread = _Unread(folder, chunks, begun, sharing)
    with ProcessPoolExecutor(processes - 1, FORK, _begin, (unread,)) as pool:
        try:
            others = [pool.submit(_read_next) for _ in chunks]  # starts the processes
            if meanwhile:
                meanwhile()
            # What this process reads itself is spared the way from process to process, a fourth of the work.
            own = []
            for read in unread:
                own.append(read)
                if others[-1].done():  # a process was killed, or else nothing is left
                    break
            sent = list(filter(None, (other.result() for other in others)))
        finally:
            begun.value = len(chunks)  # after Ctrl-C nobody reads on
    for _, chunk in sent:
        for _, record in chunk.good:
            sharing.share(record)
    found = dict([*own, *sent])
    yield from (found[index] for index in range(len(chunks)))


class _Unread:
    """The chunks that no process has begun yet, read one after the other: which one it was, and what is in it."""

    def __init__(
        self, folder: Path, chunks: Sequence[Sequence[str]], begun: "Synchronized[int]", sharing: Sharing
    ) -> None:
        self._folder, self._chunks, self._begun, self._sharing = folder, chunks, begun, sharing

    def __iter__(self) -> Iterator[tuple[int, Chunk]]:
        return self

    def __next__(self) -> tuple[int, Chunk]:
        with self._begun.get_lock():
            index = self._begun.value
            if index == len(self._chunks):
                raise StopIteration
            self._begun.value += 1
        return index, _read_chunk(self._folder, self._chunks[index], self._sharing)


_unread: Iterator[tuple[int, Chunk]] = iter(())
"""What a process that was started to read shares with the others."""


def _read_next() -> tuple[int, Chunk] | None:
    """Of the chunks that are left, if any is."""
    return next(_unread, None)


def _begin(unread: _Unread) -> None:
    """In a process that was started to read."""
    global _unread
    _unread = unread
    follow()


def _read_chunk(folder: Path, names: Sequence[str], sharing: Sharing) -> Chunk:
    good: Good = []
    bad: Bad = []
    for name in names:
        try:
            record = parse_record(read_regular(f"{folder}/{name}"))
            sharing.share(record)
            good.append((name, record))
        except NewerSchema as error:
            return Chunk([], [], NewerSchema(f"{folder / name}: {error}"))
        except OSError as error:
            bad.append((name, BadRecord(f"cannot be read ({error.strerror})")))
        except BadRecord as error:
            bad.append((name, error))
    compute([record for _, record in good if record.status is Status.OK])
    return Chunk(good, bad)
