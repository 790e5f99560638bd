"""SPDL: threads that release the interpreter's lock while FFmpeg decodes."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import spdl
import spdl.io
import torch
from spdl.io.utils import get_ffmpeg_versions
from spdl.pipeline import PipelineBuilder, build_pipeline
from spdl.pipeline.defs import PipelineConfig

from runners.harness.workload import Unsupported
from runners.pytorch.ffmpeg import load_ffmpeg
from runners.pytorch.spdl_tasks import PlainBatch, PlainImage, ReadyImage, TunedBatch, checked, resize_of
from runners.pytorch.tally import Tally
from runners.reference.source import Source
from runners.reference.tally import CLOCK, timed

CHANNELS_FIRST = False
_running: list[PipelineConfig] = []
COPIER = "copier"
"""The name of the stage that copies to the GPU, and of its thread."""


def opened(source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
    """A function that starts a new pipeline: a pass over the images in order, or an endless pass."""
    load_ffmpeg()
    return lambda: delivered(pipeline(source, endless, tally), source, source.workers, source.queue_batches, tally)


def stages(source: Source) -> dict[str, int]:
    """The stages that can be timed separately, each with the largest number of its tasks that run at once.

    In the variant `plain` one thread makes all batches.
    """
    stages = {"decode": source.workers}
    if source.stage != "decode":
        stages["batch"] = source.workers if source.tuned else 1
    if source.normalized:
        stages["normalize"] = source.workers if source.tuned else 1
    if source.copied_ahead:
        stages["transfer"] = 1
    return stages


def pipeline(source: Source, endless: bool, tally: Tally | None = None) -> PipelineBuilder:
    """The pipeline from paths to batches. A task is a batch in the variant `tuned`, an image in the variant `plain`.

    It has no sink yet, and its batches are on the host. It can be sent to another process. Raises Unsupported without
    workers.
    """
    if not source.workers:
        raise Unsupported("SPDL decodes in threads of its own: it needs --workers 1 or more")
    names = source.paths if source.ready is None else range(len(source.paths))
    if source.tuned:
        builder = PipelineBuilder().add_source(Names(names, endless, source.batch_size))
        builder.pipe(TunedBatch(source, tally), concurrency=source.workers, output_order="input")
    else:
        decode = PlainImage(source) if source.ready is None else ReadyImage(source.ready)
        decode = timed(tally, "decode", decode)
        builder = PipelineBuilder().add_source(Names(names, endless))
        builder.pipe(decode, concurrency=source.workers, output_order="input").aggregate(source.batch_size)
        if source.stage != "decode":
            builder.pipe(PlainBatch(source, tally), output_order="input")
    return builder


def delivered(
    builder: PipelineBuilder, source: Source, threads: int, ready: int, tally: Tally | None
) -> Iterator[torch.Tensor | list[torch.Tensor]]:
    """The batches of the pipeline, copied to the GPU if SPDL copies them; up to `ready` of them wait for delivery."""
    with ThreadPoolExecutor(1, COPIER) as copier:
        if source.copied_ahead:  # as in SPDL's documentation, a stage copies, in a thread and a stream of its own
            copy = timed(tally, "transfer", spdl.io.transfer_tensor_h2d)
            builder.pipe(copy, executor=copier, output_order="input", name=COPIER)
        config = builder.add_sink(ready).get_config()
        built = build_pipeline(config, num_threads=threads, max_failures=0)
        _running.append(config)
        try:
            with built.auto_stop():
                yield from map(checked, built.get_iterator())
        finally:
            _running.remove(config)


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, read back while the threads run."""
    alive = sum(thread.name.startswith("spdl_worker_thread") for thread in threading.enumerate())
    return {
        "workers_alive": str(alive),
        "prefetch_batches": str(_running[-1].sink.buffer_size),
        **common_settings(source),
    }


def common_settings(source: Source) -> dict[str, str]:
    """The settings that SPDL has with its threads in this process and in another process."""
    copied = any(getattr(pipe, "name", None) == COPIER for running in _running[-1:] for pipe in running.pipes)
    return {
        "worker_kind": "thread",
        **({"copied_by": "pipeline"} if copied else {}),
        "decoder": f"spdl {spdl.__version__}, "
        + ", ".join(f"{name} {'.'.join(map(str, version))}" for name, version in get_ffmpeg_versions().items()),
        "filter": resize_of(source),
        "stage_statistics": CLOCK,
    }


class Names:
    """The names in order, once or endlessly; with a `size`, in lists of this length."""

    def __init__(self, names: Sequence, endless: bool, size: int | None = None) -> None:
        self.names, self.endless, self.size = names, endless, size

    def __iter__(self) -> Iterator:
        names = itertools.cycle(self.names) if self.endless else iter(self.names)
        return names if self.size is None else iter(lambda: list(itertools.islice(names, self.size)), [])
