"""SPDL: threads that release the interpreter's lock while FFmpeg decodes."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence

import spdl
import torch
from spdl.io.utils import get_ffmpeg_versions
from spdl.pipeline import PipelineBuilder

from runners.harness.workload import Unsupported
from runners.pytorch.ffmpeg import load_ffmpeg
from runners.pytorch.spdl_tasks import PlainBatch, PlainImage, ReadyImage, TunedBatch, checked, resize_of
from runners.pytorch.tally import CLOCK, Tally, timed
from runners.reference.source import Source

CHANNELS_FIRST = False


def opened(source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
    """A function that starts a new pipeline: a pass over the images in order, or an endless pass."""
    load_ffmpeg()
    return lambda: _pass(source, endless, tally)


def stages(source: Source) -> dict[str, int]:
    """The stages that can be timed separately, each with the largest number of its tasks that run at once.

    In the variant `plain` one thread makes all batches.
    """
    stages = {"decode": source.workers}
    if source.stage != "decode":
        stages["batch"] = source.workers if source.tuned else 1
    if source.normalized:
        stages["normalize"] = source.workers if source.tuned else 1
    return stages


def pipeline(source: Source, endless: bool, tally: Tally | None = None) -> PipelineBuilder:
    """The pipeline from paths to batches. A task is a batch in the variant `tuned`, an image in the variant `plain`.

    The pipeline can be sent to another process. Raises Unsupported without workers.
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
    return builder.add_sink(source.queue_batches)


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, read back while the threads run."""
    alive = sum(thread.name.startswith("spdl_worker_thread") for thread in threading.enumerate())
    return {
        "workers_alive": str(alive),
        "worker_kind": "thread",
        "prefetch_batches": str(source.queue_batches),
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


def _pass(source: Source, endless: bool, tally: Tally | None) -> Iterator[torch.Tensor | list[torch.Tensor]]:
    built = pipeline(source, endless, tally).build(num_threads=source.workers, max_failures=0)
    with built.auto_stop():
        yield from map(checked, built.get_iterator())
