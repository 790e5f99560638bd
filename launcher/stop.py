"""Requests to stop: Ctrl-C, SIGTERM or a closed terminal. Loops ask whether one came, so that nothing is cut half-way.

The first request ends what runs, keeps the records and writes the report. The second kills at once.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from launcher.errors import Interrupted
from runners.harness.clock import now_ns

GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL."""

POLL_SECONDS = 0.25
"""How soon an interruption is noticed. A signal handler may not set an Event that its own thread waits on."""


class Stop:
    """Counts the requests to stop."""

    def __init__(self) -> None:
        self.count = 0

    def request(self) -> None:
        """Ask once more."""
        self.count += 1

    @property
    def requested(self) -> bool:
        """Someone asked to stop."""
        return self.count > 0

    @property
    def urgent(self) -> bool:
        """Someone asked again."""
        return self.count > 1

    def sleep(self, seconds: float) -> None:
        """Wait so long between two tries. Raises Interrupted once someone asks to stop."""
        deadline = now_ns() + int(seconds * 1e9)
        while now_ns() < deadline:
            if self.requested:
                raise Interrupted("interrupted between two tries")
            time.sleep(POLL_SECONDS)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Count SIGINT, SIGTERM and SIGHUP as requests while the context lasts; under `nohup` SIGHUP stays ignored."""
        kinds = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            kinds.append(signal.SIGHUP)
        before = {kind: signal.signal(kind, lambda *_: self.request()) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)


class Ending(StrEnum):
    """Why a child is no longer running."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    LOST = "lost"


def supervise(
    finished: threading.Event,
    stop: Stop,
    seconds: float,
    terminate: Callable[[], None],
    kill: Callable[[], None],
    clock: Callable[[], int] = now_ns,
) -> Ending:
    """Wait until `finished`, the deadline or a request to stop. After the last two, terminate, then kill."""
    ending = _wait(finished, stop, seconds, clock)
    if ending is not Ending.EXITED:
        if not stop.urgent:
            terminate()
            _wait_urgent(finished, stop, clock)
        if not finished.is_set():
            kill()
            finished.wait(GRACE_SECONDS)
    return ending


def _wait(finished: threading.Event, stop: Stop, seconds: float, clock: Callable[[], int]) -> Ending:
    deadline = clock() + int(seconds * 1e9)
    while not finished.is_set():
        left = (deadline - clock()) / 1e9
        if stop.requested:
            return Ending.INTERRUPTED
        if left <= 0:
            return Ending.TIMEOUT
        finished.wait(min(left, POLL_SECONDS))
    return Ending.EXITED


def _wait_urgent(finished: threading.Event, stop: Stop, clock: Callable[[], int]) -> None:
    deadline = clock() + int(GRACE_SECONDS * 1e9)
    while not finished.is_set() and not stop.urgent and clock() < deadline:
        finished.wait(POLL_SECONDS)
