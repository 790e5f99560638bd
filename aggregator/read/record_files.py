"""Records from files: regular ones alone, in order of name, by several processes where there are many."""

import gc
import math
import os
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from aggregator.base.processes import helper
from aggregator.read.parse import BadRecord, NewerSchema, parse_record
from aggregator.read.replicate import compute
from aggregator.read.sharing import Sharing
from runners.harness.record import Record, Status

SIZE_LIMIT = 32 * 2**20
"""Bytes of one record; the longest loader stream stays well below it."""
CHUNK, MOST_CHUNKS = 250, 1000
"""Files that are read at a time; of very many, more of them."""
TOGETHER = 8
"""Of so many files first the bytes are read, then the records: step by step, the code of each step stays in the CPU's
cache, which saves a tenth of the time. More files save hardly more."""
NUMBER = 4
"""Bytes of a chunk's number. A page, which the smallest pipe holds, has room for those of MOST_CHUNKS."""
ALONE, MOST_PROCESSES = 2000, 4
"""Up to so many files this process reads itself: starting others would take longer. To receive a record takes a third
of the time that reading it takes, so that three others give it as much as it can take in."""
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

    Raises NewerSchema, which names the file.
    """
    good: Good = []
    names, bad = record_files(folder)
    size = max(CHUNK, math.ceil(len(names) / MOST_CHUNKS))
    chunks = [names[start : start + size] for start in range(0, len(names), size)]
    sharing = Sharing()
    processes = 1 if len(names) <= ALONE else min(MOST_PROCESSES, len(os.sched_getaffinity(0)))
    with _kept(), closing(_in_turn(folder, chunks, processes, meanwhile)) as in_turn:
        for chunk in in_turn:
            if chunk.newer:
                raise chunk.newer
            # In order again, so that of two parts that are equal but for how they are written the same one is kept.
            for _, record in chunk.good:
                sharing.share(record)
            good += chunk.good
            bad += chunk.bad
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
) -> Generator[Chunk]:
    """What each chunk's files hold, in the order of the chunks however many processes read them."""
    if processes == 1:
        yield from (_read_chunk(folder, chunk) for chunk in chunks)
        return
    found: dict[int, Chunk] = {}
    with _numbers(len(chunks)) as unread, ExitStack() as running:

        def reading() -> Iterator[tuple[int, Chunk]]:
            return ((number, _read_chunk(folder, chunks[number])) for number in unread)

        others: list[Connection] = []
        while len(others) < processes - 1 and (other := running.enter_context(helper(reading))):
            others.append(other)
        if meanwhile:
            meanwhile()
        given = 0
        # What this process reads itself is spared the way from process to process, a third of the work.
        for number, chunk in reading():
            found[number] = chunk
            for other in others:
                while other.poll() and _received(other, found):
                    pass
            while given in found:  # not all at the end, when nobody else has anything to do
                yield found.pop(given)
                given += 1
        for other in others:
            while _received(other, found):
                pass
    for number in range(given, len(chunks)):
        # Where another process was killed, this one reads what it had begun.
        yield found.pop(number) if number in found else _read_chunk(folder, chunks[number])


def _received(other: Connection, found: dict[int, Chunk]) -> bool:
    """Take in what another process sent, or False where it has ended."""
    try:
        number, found[number] = other.recv()
    except (EOFError, OSError):
        return False
    return True


@contextmanager
def _numbers(count: int) -> Iterator[Iterator[int]]:
    """0, 1, … for this process and those forked from it, each of them for one alone. They lie in a pipe, which, other
    than a lock, nobody can keep from the others by being killed."""
    taken_from, put_into = os.pipe()
    try:
        os.write(put_into, b"".join(number.to_bytes(NUMBER) for number in range(count)))
    finally:
        os.close(put_into)
    try:
        yield map(int.from_bytes, iter(lambda: os.read(taken_from, NUMBER), b""))
    finally:
        os.close(taken_from)


def _read_chunk(folder: Path, names: Sequence[str]) -> Chunk:
    good: Good = []
    bad: Bad = []
    sharing = Sharing()
    for start in range(0, len(names), TOGETHER):
        paths = [(name, f"{folder}/{name}") for name in names[start : start + TOGETHER]]
        contents = [(name, path, _content(path)) for name, path in paths]
        try:
            found = [(name, _parsed(path, content)) for name, path, content in contents]
        except NewerSchema as error:
            return Chunk([], [], error)
        for name, record in found:
            if isinstance(record, BadRecord):
                bad.append((name, record))
            else:
                sharing.share(record)
                good.append((name, record))
    compute([record for _, record in good if record.status is Status.OK])
    return Chunk(good, bad)


def _content(path: str) -> bytes | BadRecord:
    try:
        return read_regular(path)
    except OSError as error:
        return BadRecord(f"cannot be read ({error.strerror})")
    except BadRecord as error:
        return error


def _parsed(path: str, content: bytes | BadRecord) -> Record | BadRecord:
    """Raises NewerSchema, which names the file."""
    if isinstance(content, BadRecord):
        return content
    try:
        return parse_record(content)
    except BadRecord as error:
        return error
    except NewerSchema as error:
        raise NewerSchema(f"{path}: {error}") from error
