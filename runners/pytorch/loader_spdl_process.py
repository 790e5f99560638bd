"""SPDL's threads in a process of their own: the training process keeps its interpreter's lock to itself."""

import dataclasses
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from spdl.pipeline import run_pipeline_in_subprocess

from runners.pytorch import loader_spdl
from runners.pytorch.ffmpeg import load_ffmpeg
from runners.pytorch.shm import require_shared_memory
from runners.pytorch.spdl_tasks import checked, planes_normalized
from runners.pytorch.tally import Tally, timed
from runners.reference.source import SIDE, Source

CHANNELS_FIRST = loader_spdl.CHANNELS_FIRST
START_METHOD = "spawn"
SPARE_BATCHES = 4
"""Beside those that may be queued on either side: made, sent, received and used at the moment."""


def stages(source: Source) -> dict[str, int]:
    """What of the work of both processes can be timed apart, and how many of it may run at once."""
    found = loader_spdl.stages(source)
    return found | {"normalize": 1} if _normalizes_here(source) else found


def opened(source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
    """A process, each call of which gives one pass over the images in order, or one without end.

    Tuned, bytes cross to the training process and are normalised there: a quarter of what floats would be.
    """
    load_ffmpeg()  # here too: it tells the versions
    normalizes_here = _normalizes_here(source)
    stage = "batch" if normalizes_here else "normalize" if source.normalized else source.stage
    batch = source.batch_size * SIDE * SIDE * 3 * (4 if stage == "normalize" else 1)
    require_shared_memory(batch * (2 * source.queue_batches + SPARE_BATCHES))
    batches = run_pipeline_in_subprocess(
        loader_spdl.pipeline(dataclasses.replace(source, stage=stage), endless, tally).get_config(),
        num_threads=source.workers,
        max_failures=0,
        buffer_size=source.queue_batches,
        initializer=load_ffmpeg,
        mp_context=START_METHOD,
    )
    normalize = timed(tally, "normalize", partial(planes_normalized, pinned=source.pinned))
    return lambda: _pass(batches, normalize if normalizes_here else None)


def settings(source: Source) -> dict[str, str]:
    """What is in effect; the threads run where nobody here can count them."""
    found = loader_spdl.settings(source)
    del found["workers_alive"]
    processes = str(len(multiprocessing.active_children()))
    return {**found, "processes_alive": processes, "start_method": START_METHOD, "threads_asked": str(source.workers)}


def _pass(batches: Iterable, normalize: Callable | None) -> Iterator:
    try:
        for batch in map(checked, batches):
            yield normalize(batch) if normalize else batch
    finally:
        del batches  # the process would live as long as the traceback of an error


def _normalizes_here(source: Source) -> bool:
    return source.tuned and source.normalized
