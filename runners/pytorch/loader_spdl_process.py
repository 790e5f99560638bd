"""SPDL's threads in a process of their own: the training process keeps its interpreter's lock to itself."""

import dataclasses
import multiprocessing
from collections.abc import Callable, Iterable, Iterator

from spdl.pipeline import run_pipeline_in_subprocess

from runners.pytorch import loader_spdl
from runners.pytorch.ffmpeg import load_ffmpeg
from runners.pytorch.shm import require_shared_memory
from runners.reference.source import SIDE, Source

CHANNELS_FIRST = loader_spdl.CHANNELS_FIRST
START_METHOD = "spawn"
SPARE_BATCHES = 4
"""Beside those that may be queued on either side: made, sent, received and used at the moment."""


def opened(source: Source, endless: bool) -> Callable[[], Iterator]:
    """A process, each call of which gives one pass over the images in order, or one without end."""
    load_ffmpeg()  # here too: it tells the versions
    batch = source.batch_size * SIDE * SIDE * 3 * (4 if source.normalized else 1)
    require_shared_memory(batch * (2 * source.queue_batches + SPARE_BATCHES))
    # What a GPU copies from must be pinned by the process that copies.
    unpinned = dataclasses.replace(source, stage="normalize" if source.normalized else source.stage)
    batches = run_pipeline_in_subprocess(
        loader_spdl.pipeline(unpinned, endless).get_config(),
        num_threads=source.workers,
        max_failures=0,
        buffer_size=source.queue_batches,
        initializer=load_ffmpeg,
        mp_context=START_METHOD,
    )
    return lambda: _pass(batches, source.pinned)


def settings(source: Source) -> dict[str, str]:
    """What is in effect; the threads run where nobody here can count them."""
    found = loader_spdl.settings(source)
    del found["workers_alive"]
    processes = str(len(multiprocessing.active_children()))
    return {**found, "processes_alive": processes, "start_method": START_METHOD, "threads_asked": str(source.workers)}


def _pass(batches: Iterable, pinned: bool) -> Iterator:
    try:
        for batch in map(loader_spdl.checked, batches):
            yield batch.pin_memory() if pinned else batch
    finally:
        del batches  # the process would live as long as the traceback of an error
