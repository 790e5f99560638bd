"""One function over many jobs on the CPUs this process may use, results in the order of the jobs."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

WINDOW = 256
"""Jobs handed out at a time: keeps memory flat over millions of files and lets Ctrl-C through soon."""


def in_order(function: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """Yield `function(job)` for every job. Threads are enough: decoding and array work release the lock."""
    waiting = iter(jobs)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        while window := list(itertools.islice(waiting, WINDOW)):
            yield from pool.map(function, window)
