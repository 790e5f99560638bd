"""SPDL's threads in a process of their own: the training process keeps its interpreter's lock to itself."""

import dataclasses
import multiprocessing
from collections.abc import Callable, Iterable, Iterator

from spdl.pipeline import run_pipeline_in_subprocess

from runners.pytorch import loader_spdl
from runners.pytorch.ffmpeg import load_ffmpeg
from runners.pytorch.normalize import normalized
from runners.pytorch.shm import require_shared_memory
from runners.pytorch.spdl_tasks import checked
from runners.reference.source import SIDE, Source

CHANNELS_FIRST = loader_spdl.CHANNELS_FIRST
START_METHOD = "spawn"
SPARE_BATCHES = 4
"""Beside those that may be queued on either side: made, sent, received and used at the moment."""


def opened(source: Source, endless: bool) -> Callable[[], Iterator]:
    """A process, each call of which gives one pass over the images in order, or one without end.

    Tuned, bytes cross to the training process and are normalised there: a quarter of what floats would be.
    """
    load_ffmpeg()  # here too: it tells the versions
    normalizes_here = source.tuned and source.normalized
    stage = "batch" if normalizes_here else "normalize" if source.normalized else source.stage
    batch = source.batch_size * SIDE * SIDE * 3 * (4 if stage == "normalize" else 1)
    require_shared_memory(batch * (2 * source.queue_batches + SPARE_BATCHES))
    batches = run_pipeline_in_subprocess(
        loader_spdl.pipeline(dataclasses.replace(source, stage=stage), endless).get_config(),
        num_threads=source.workers,
        max_failures=0,
        buffer_size=source.queue_batches,
        initializer=load_ffmpeg,
        mp_context=START_METHOD,
    )
    return lambda: _pass(batches, source.pinned if normalizes_here else None)


def settings(source: Source) -> dict[str, str]:
    """What is in effect; the threads run where nobody here can count them."""
    found = loader_spdl.settings(source)
    del found["workers_alive"]
    processes = str(len(multiprocessing.active_children()))
    return {**found, "processes_alive": processes, "start_method": START_METHOD, "threads_asked": str(source.workers)}


def _pass(batches: Iterable, pinned: bool | None) -> Iterator:
    """`pinned` says where a batch that is normalised here shall lie; None: it is delivered as it comes."""
    try:
        for batch in map(checked, batches):
            yield batch if pinned is None else normalized(batch.permute(0, 3, 1, 2), pinned)
    finally:
        del batches  # the process would live as long as the traceback of an error
