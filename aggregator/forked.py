"""Processes forked from this one, which see all that it has read without its being sent to them."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import TypeVar

Made = TypeVar("Made")
FORK = get_context("fork")
"""A process that starts afresh would first import for as long as there is to do."""


@contextmanager
def beside(work: Callable[[], Made], much: bool) -> Iterator[Callable[[], Made]]:
    """Have `work` done by another process while this one goes on; what is given waits for its result, which is sent.

    Where that process cannot, be it that there is no room for one, that it is killed or that the work fails, this one
    does the work itself, so that errors come where they are looked for. So it does where there is not `much` to do or
    one CPU alone to do it.
    """
    process = None
    if much and len(os.sched_getaffinity(0)) > 1:
        here, there = FORK.Pipe(duplex=False)
        process = FORK.Process(target=_work_and_send, args=(work, there), daemon=True)
        try:
            process.start()
        except OSError:
            process = None
        there.close()
    if process is None:
        yield work
        return

    def result() -> Made:
        try:
            made: Made = here.recv()
        except (EOFError, OSError):
            return work()
        return made

    try:
        yield result
    finally:
        process.kill()
        process.join()
        here.close()


def follow() -> None:
    """In a forked process: end with the one that forked it, and leave it Ctrl-C, which reaches them all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work_and_send(work: Callable[[], object], there: Connection) -> None:
    follow()
    with suppress(Exception):
        there.send(work())
