"""What DataLoader's workers do, in threads: where Python has no global lock, nothing need cross between processes.

DataLoader itself starts processes only. Its data set, its collation and its order are kept.
"""

import collections
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from runners.harness.workload import Invalid, Unsupported
from runners.pytorch import dataloader, loader_torch
from runners.pytorch.tally import Tally
from runners.reference.source import Source

CHANNELS_FIRST = True
NAME = "levelfield-loader"
TAKES_TURNS = (
    "its threads would take turns at Python's global lock: needs a free-threaded Python, as 3.14t, and PYTHON_GIL=0 "
    "where a module turns the lock on again"
)
stages = dataloader.stages


def opened(source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
    """Each call gives one pass over the images in order, or one without end. Raises Unsupported."""
    if global_lock():
        raise Unsupported(TAKES_TURNS)
    if not source.workers:
        raise Unsupported("it decodes in threads of its own: it needs --workers 1 or more")
    return lambda: _pass(source, endless, tally)


def global_lock() -> bool:
    """Whether this Python runs one thread at a time; importing a module that needs the lock turns it on."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def settings(source: Source) -> dict[str, str]:
    """What is in effect, read back while the threads run."""
    alive = sum(thread.name.startswith(NAME) for thread in threading.enumerate())
    processes = loader_torch.settings(source)
    kept = {name: processes[name] for name in ("prefetch_batches", "decoder", "stage_statistics")}
    normalizes = "main thread, batch" if source.tuned else "worker, image"
    lock = "on" if global_lock() else "off"
    return {
        "workers_alive": str(alive),
        "worker_kind": "thread",
        "global_lock": lock,
        **kept,
        "normalize_in": normalizes,
    }


def _pass(source: Source, endless: bool, tally: Tally | None) -> Iterator:
    images, collate, finish = dataloader.parts(source, loader_torch.decoder(source), tally)
    positions = iter(dataloader.Endless(len(source.paths)) if endless else range(len(source.paths)))
    batches = iter(lambda: list(itertools.islice(positions, source.batch_size)), [])

    def fetched(batch: list[int]) -> object:
        return collate([images[position] for position in batch])

    pool = ThreadPoolExecutor(source.workers, NAME)
    try:
        ahead = collections.deque(
            pool.submit(fetched, batch) for batch in itertools.islice(batches, source.queue_batches)
        )
        while ahead:
            done = ahead.popleft().result()
            ahead.extend(pool.submit(fetched, batch) for batch in itertools.islice(batches, 1))
            yield finish(done)
    except ValueError as error:
        raise Invalid("DATA", str(error)) from None
    finally:
        pool.shutdown(cancel_futures=True)
