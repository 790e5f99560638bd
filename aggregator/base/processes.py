"""Processes forked from this one, which see all that it has read without its being sent to them."""

import fcntl
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

Made = TypeVar("Made")
FORK = get_context("fork")
"""A process that starts afresh would first import for as long as there is to do."""
_END = object()
"""Stands after the last thing that is to be sent."""
ON_ITS_WAY = 2**20
"""Bytes that are sent ahead, as many as Linux lets anybody: with fewer, whoever receives waits for whoever sends."""


@contextmanager
def in_parallel(work: Callable[[], Made], much: bool) -> Iterator[Callable[[], Made]]:
    """Have `work` done by another process while this one goes on; what is given waits for its result, which is sent.

    Where that process cannot, be it that there is no room for one, that it is killed or that the work fails, this one
    does the work itself, so that errors come where they are looked for. So it does where there is not `much` to do or
    one CPU alone to do it.
    """
    if not much or len(os.sched_getaffinity(0)) == 1:
        yield work
        return

    def once() -> Iterator[Made]:
        yield work()

    with helper(once) as connection:

        def result() -> Made:
            if connection:
                with suppress(EOFError, OSError):
                    made: Made = connection.recv()
                    return made
            return work()

        yield result


@contextmanager
def helper(work: Callable[[], Iterable[object]]) -> Iterator[Connection | None]:
    """Another process that does `work` and sends one after the other what it makes; None where there is no room for it.

    Its end is the connection's end, whether all was made, the work failed or the process was killed. What is made waits
    with it until it is received, which need not be soon. With the context it is gone.
    """
    started = _started(work)
    if started is None:
        yield None
        return
    process, here = started
    try:
        yield here
    finally:
        process.kill()
        process.join()
        here.close()


def _started(work: Callable[[], Iterable[object]]) -> tuple[ForkProcess, Connection] | None:
    """A process that does `work`, and the connection from it; None where there is no room for them."""
    try:
        here, there = FORK.Pipe(duplex=False)
    except OSError:
        return None
    process = FORK.Process(target=_work_and_send, args=(work, there), daemon=True)
    with suppress(OSError):  # where fewer are allowed
        fcntl.fcntl(there.fileno(), fcntl.F_SETPIPE_SZ, ON_ITS_WAY)
    with there:
        try:
            process.start()
        except OSError:
            here.close()
            return None
    return process, here


def _follow() -> None:
    """In a forked process: end with the one that forked it, and leave it Ctrl-C, which reaches them all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work_and_send(work: Callable[[], Iterable[object]], there: Connection) -> None:
    unsent: SimpleQueue[object] = SimpleQueue()
    sender = Thread(target=_send, args=(unsent, there), daemon=True)
    with suppress(Exception):
        _follow()
        sender.start()
        for made in work():
            unsent.put(made)
            if not sender.is_alive():  # what is left is for those who can send it
                break
        unsent.put(_END)
        sender.join()


def _send(unsent: "SimpleQueue[object]", there: Connection) -> None:
    """In a thread of its own, since who works need not wait until somebody receives."""
    with suppress(Exception):
        for made in iter(unsent.get, _END):
            there.send(made)
