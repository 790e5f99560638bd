"""This process's place among the processes of a replicate of `scale`, which runners/harness/together.py starts.

Every other replicate is one process. It has the rank 0, and may use all CPUs of the run.
"""

import ctypes
import functools
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from runners.harness.proc import process_tree

VARIABLE = "LEVELFIELD_RANK"
SET_PARENT_DEATH_SIGNAL = 1
"""Of prctl: the kernel ends this process when its parent ends."""

Items = TypeVar("Items", bound=Sequence[object])


@dataclass(frozen=True)
class Rank:
    """Process `number`, from 0, of `count`, started by the process `parent`.

    `ports` are free ports of 127.0.0.1, one for each process. `pipes` are file descriptors: process 0 writes orders
    for every other process, and each of these has one to read them from. `folder` is where they leave their failures.
    """

    number: int = 0
    count: int = 1
    parent: int = 0
    ports: tuple[int, ...] = ()
    pipes: tuple[int, ...] = ()
    folder: str = ""

    @property
    def address(self) -> str:
        """Where the processes meet: process 0 listens there."""
        return f"127.0.0.1:{self.ports[0]}"

    def share(self, items: Items) -> Items:
        """The part of `items` that belongs to this process; the number of items must be a multiple of `count`."""
        size = len(items) // self.count
        return items[self.number * size : (self.number + 1) * size]  # type: ignore[return-value]


SINGLE = Rank()
"""The rank of a process that is alone."""


@functools.cache
def own() -> Rank:
    """The rank of this process."""
    if VARIABLE not in os.environ:
        return SINGLE
    told: dict[str, Any] = json.loads(os.environ[VARIABLE])
    return Rank(**told | {name: tuple(told[name]) for name in ("ports", "pipes")})


def cpus() -> set[int]:
    """The CPUs of the whole replicate. A process of several may use only its share of them."""
    return os.sched_getaffinity(own().parent)


def processes() -> list[int]:
    """The ids of all living processes of the replicate, without the process that only started them."""
    started_by = own().parent
    return [pid for pid in process_tree(started_by) if pid != started_by] if started_by else process_tree()


def settle() -> None:
    """Confine this process to its share of the CPUs, and let the kernel end it with its parent."""
    rank = own()
    if rank.count == 1:
        return
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != rank.parent:  # it ended before the call
        raise SystemExit(128 + signal.SIGKILL)
    share = rank.share(sorted(cpus()))
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), share)


def confined() -> set[int]:
    """The CPUs that any thread of this process may use, read back from the kernel."""
    threads = os.listdir("/proc/self/task")
    return set().union(*(_cpus_of(int(thread)) for thread in threads))


def _cpus_of(thread: int) -> set[int]:
    try:
        return os.sched_getaffinity(thread)
    except ProcessLookupError:  # the thread has ended
        return set()
