"""SPDL's threads in a separate process, so that the training process has its interpreter's lock to itself."""

import dataclasses
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from spdl.pipeline import PipelineBuilder, run_pipeline_in_subprocess
from spdl.pipeline.defs import PipelineConfig

from runners.pytorch import loader_spdl
from runners.pytorch.ffmpeg import load_ffmpeg
from runners.pytorch.spdl_tasks import Undecodable, checked, planes_normalized
from runners.pytorch.tally import Tally, timed
from runners.reference.shm import require_shared_memory
from runners.reference.source import SIDE, Source

CHANNELS_FIRST = loader_spdl.CHANNELS_FIRST
START_METHOD = "spawn"
SPARE_BATCHES = 4
"""Batches in addition to both queues: one each being made, sent, received and used."""


def stages(source: Source) -> dict[str, int]:
    """The stages that can be timed separately, each with the largest number of its tasks that run at once."""
    stages = loader_spdl.stages(source)
    return stages | {"normalize": 1} if _normalizes_here(source) else stages


def opened(source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
    """Start a process. Returns a function that starts a pass over the images in order, or an endless pass.

    The variant `tuned` sends uint8 to the training process and normalises there: a quarter of the bytes of floats.
    """
    load_ffmpeg()  # in this process too, to read FFmpeg's versions
    normalizes_here = _normalizes_here(source)
    batch = source.batch_size * SIDE * SIDE * 3 * (4 if source.normalized and not normalizes_here else 1)
    require_shared_memory(batch * (2 * source.queue_batches + SPARE_BATCHES))
    batches = run_pipeline_in_subprocess(
        _sent(source, endless, tally),
        num_threads=source.workers,
        max_failures=0,
        buffer_size=source.queue_batches,
        initializer=load_ffmpeg,
        mp_context=START_METHOD,
    )
    normalize = timed(tally, "normalize", partial(_normalized, pinned=source.pinned)) if normalizes_here else None
    return lambda: _pass(batches, normalize, source, tally)


def settings(source: Source) -> dict[str, str]:
    """The settings in effect. This process cannot count the threads of the other process."""
    settings = loader_spdl.settings(source)
    del settings["workers_alive"]
    processes = str(len(multiprocessing.active_children()))
    return settings | {
        "processes_alive": processes,
        "start_method": START_METHOD,
        "threads_asked": str(source.workers),
        **loader_spdl.queue(_sent(source, False, None)),
    }


def _sent(source: Source, endless: bool, tally: Tally | None) -> PipelineConfig:
    """The pipeline of the other process. It copies nothing to the GPU."""
    stage = "batch" if _normalizes_here(source) else "normalize" if source.normalized else source.stage
    on_host = dataclasses.replace(source, stage=stage)
    return loader_spdl.pipeline(on_host, endless, tally).add_sink(source.queue_batches).get_config()


def _pass(batches: Iterable, normalize: Callable | None, source: Source, tally: Tally | None) -> Iterator:
    made = map(normalize, batches) if normalize else batches
    try:
        if loader_spdl.copies(source):
            yield from loader_spdl.delivered(PipelineBuilder().add_source(made), source, 1, 1, tally)
        else:
            yield from map(checked, made)
    finally:
        del batches, made  # otherwise an error's traceback would keep the process alive


def _normalized(batch: torch.Tensor | Undecodable, pinned: bool) -> torch.Tensor | Undecodable:
    return batch if isinstance(batch, Undecodable) else planes_normalized(batch, pinned)


def _normalizes_here(source: Source) -> bool:
    return source.tuned and source.normalized
