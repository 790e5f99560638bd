"""A fixed matrix product, timed before and after the window: did the machine itself become faster or slower?

A product in plain Python takes half a millisecond and depends on nothing but the CPU. Only the fastest of all products
within a tenth of a second counts, and the process's own threads have to sleep meanwhile. Otherwise a CPU takes half as
long again if its hyper-threading twin is busy with a neighbour's burst, or with a thread pool that still spins after
its last step (libgomp for 6 ms, others for 200 ms).
"""

import os
import time

from runners.harness.clock import now_ns
from runners.harness.proc import any_thread_runs, process_tree

SIZE = 20
SPAN_NS = 100_000_000
PATIENCE_NS = 1_000_000_000
POLL_SECONDS = 0.005

_ROWS = [[float(row * SIZE + column) for column in range(SIZE)] for row in range(SIZE)]
_COLUMNS = [list(column) for column in zip(*_ROWS, strict=True)]


def fastest_ns() -> int | None:
    """The shortest time of one product, or None if this process's own threads did not come to rest."""
    if not _at_rest():
        return None
    end = now_ns() + SPAN_NS
    fastest = _once_ns()
    while now_ns() < end:
        fastest = min(fastest, _once_ns())
    return fastest


def _once_ns() -> int:
    began = now_ns()
    for row in _ROWS:
        for column in _COLUMNS:
            sum(a * b for a, b in zip(row, column, strict=True))
    return now_ns() - began


def _at_rest() -> bool:
    """Wait until no other thread of this process and its children runs."""
    end = now_ns() + PATIENCE_NS
    while any_thread_runs(process_tree(os.getpid())):
        if now_ns() >= end:
            return False
        time.sleep(POLL_SECONDS)
    return True
