"""The work of DataLoader's workers in threads, for a Python without global lock: no batch crosses processes.

DataLoader itself can start processes only. This loader has the same data set, collation and order.
"""

import collections
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from runners.harness.workload import Invalid, Unsupported
from runners.pytorch import dataloader, loader_torch
from runners.pytorch.tally import Tally
from runners.reference.source import Source

CHANNELS_FIRST = True
NAME = "levelfield-loader"
HAS_GLOBAL_LOCK = (
    "its threads would wait for Python's global lock: it needs a free-threaded Python such as 3.14t, and PYTHON_GIL=0 "
    "if a module turns the lock on again"
)
stages = dataloader.stages
_running: list[collections.deque] = []


def opened(source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
    """A function that starts a pass over the images in order, or an endless pass. Raises Unsupported."""
    if global_lock():
        raise Unsupported(HAS_GLOBAL_LOCK)
    if not source.workers:
        raise Unsupported("this loader decodes in threads of its own: it needs --workers 1 or more")
    return lambda: _pass(source, endless, tally)


def global_lock() -> bool:
    """Whether this Python runs one thread at a time. The import of a module that needs the lock turns it on."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, read back while the threads run."""
    alive = sum(thread.name.startswith(NAME) for thread in threading.enumerate())
    of_processes = loader_torch.settings(source)
    shared = {name: of_processes[name] for name in ("decoder", "stage_statistics")}
    return {
        "workers_alive": str(alive),
        "worker_kind": "thread",
        "global_lock": "on" if global_lock() else "off",
        "prefetch_batches": str(_running[-1].maxlen),
        **shared,
        "normalize_in": "main thread, batch" if source.tuned else "worker, image",
    }


def _pass(source: Source, endless: bool, tally: Tally | None) -> Iterator:
    images, collate, finish = dataloader.parts(source, loader_torch.decoder(source), tally)
    positions = iter(dataloader.Endless(len(source.paths)) if endless else range(len(source.paths)))
    batches = iter(lambda: list(itertools.islice(positions, source.batch_size)), [])

    def fetch(batch: list[int]) -> object:
        return collate([images[position] for position in batch])

    pool = ThreadPoolExecutor(source.workers, NAME)
    pending: collections.deque[Future] = collections.deque(maxlen=source.queue_batches)
    _running.append(pending)

    def fill() -> None:
        room = source.queue_batches - len(pending)
        pending.extend(pool.submit(fetch, batch) for batch in itertools.islice(batches, room))

    try:
        fill()
        while pending:
            done = pending.popleft().result()
            fill()
            yield finish(done)
    except ValueError as error:
        raise Invalid("DATA", str(error)) from None
    finally:
        _running.remove(pending)
        pool.shutdown(cancel_futures=True)
