"""Applies a function to many jobs in parallel, with results in the order of the jobs."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

WINDOW = 256
"""Jobs submitted at a time, so that memory stays flat over millions of files and Ctrl-C works soon."""


def in_order(function: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """Yield `function(job)` for every job. Threads are enough, because decoding and array work release the lock."""
    remaining = iter(jobs)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        while window := list(itertools.islice(remaining, WINDOW)):
            yield from pool.map(function, window)
