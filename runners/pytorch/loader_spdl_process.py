"""SPDL's threads in a separate process, so that the training process has its interpreter's lock to itself."""

import dataclasses
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from spdl.pipeline import PipelineBuilder, run_pipeline_in_subprocess
from spdl.pipeline.defs import PipelineConfig

from runners.harness.workload import Unsupported
from runners.pytorch import loader_spdl
from runners.pytorch.ffmpeg import load_ffmpeg
from runners.pytorch.spdl_tasks import Undecodable, checked, planes_normalized
from runners.pytorch.tally import Tally
from runners.reference.shm import require_shared_memory
from runners.reference.source import SIDE, Source
from runners.reference.tally import timed

CHANNELS_FIRST = loader_spdl.CHANNELS_FIRST
START_METHOD = "spawn"
SPARE_BATCHES = 4
"""Batches in addition to both queues: one each being made, sent, received and used."""
_running: list[tuple[PipelineConfig, Iterable]] = []


def stages(source: Source) -> dict[str, int]:
    """The stages that can be timed separately, each with the largest number of its tasks that run at once."""
    stages = loader_spdl.stages(source)
    return stages | {"normalize": 1} if _normalizes_here(source) else stages


def opened(source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
    """Start a process. Returns a function that starts a pass over the images in order, or an endless pass.

    The variant `tuned` sends uint8 to the training process and normalises there: a quarter of the bytes of floats.
    Raises Unsupported.
    """
    load_ffmpeg()  # in this process too, to read FFmpeg's versions
    normalizes_here = _normalizes_here(source)
    batch = source.batch_size * SIDE * SIDE * 3 * (4 if source.normalized and not normalizes_here else 1)
    require_shared_memory(batch * (source.queue_batches + SPARE_BATCHES))
    sent = _sent(source, endless, tally)
    batches = run_pipeline_in_subprocess(
        sent,
        num_threads=source.workers,
        max_failures=0,
        buffer_size=source.queue_batches - sent.sink.buffer_size,
        initializer=load_ffmpeg,
        mp_context=START_METHOD,
    )
    normalize = timed(tally, "normalize", partial(_normalized, pinned=source.pinned)) if normalizes_here else None
    return lambda: _pass(sent, batches, normalize, source, tally)


def settings(source: Source) -> dict[str, str]:
    """The settings in effect. This process cannot count the threads of the other process."""
    sent, batches = _running[-1]
    waiting = sent.sink.buffer_size, batches._interface.data_q._maxsize  # SPDL has no public reader of the second
    return {
        "processes_alive": str(len(multiprocessing.active_children())),
        "start_method": START_METHOD,
        "threads_asked": str(source.workers),
        "prefetch_batches": str(sum(waiting)),
        "queues": "{} before sending, {} after".format(*waiting),
        **loader_spdl.common_settings(source),
    }


def _sent(source: Source, endless: bool, tally: Tally | None) -> PipelineConfig:
    """The pipeline of the other process, with half of the ready batches. It copies nothing to the GPU."""
    if source.workers and source.queue_batches < 2:
        raise Unsupported("a batch waits before it is sent and another after it: use --prefetch 2 or --workers 2")
    stage = "batch" if _normalizes_here(source) else "normalize" if source.normalized else source.stage
    on_host = dataclasses.replace(source, stage=stage)
    return loader_spdl.pipeline(on_host, endless, tally).add_sink(source.queue_batches // 2).get_config()


def _pass(
    sent: PipelineConfig, batches: Iterable, normalize: Callable | None, source: Source, tally: Tally | None
) -> Iterator:
    running = sent, batches
    _running.append(running)
    made = map(normalize, batches) if normalize else batches
    try:
        if source.copied_ahead:
            yield from loader_spdl.delivered(PipelineBuilder().add_source(made), source, 1, 1, tally)
        else:
            yield from map(checked, made)
    finally:
        _running.remove(running)
        del batches, made, running  # otherwise an error's traceback would keep the process alive


def _normalized(batch: torch.Tensor | Undecodable, pinned: bool) -> torch.Tensor | Undecodable:
    return batch if isinstance(batch, Undecodable) else planes_normalized(batch, pinned)


def _normalizes_here(source: Source) -> bool:
    return source.tuned and source.normalized
