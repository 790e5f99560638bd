"""The pipelines of DALI's loaders: from the files to batches, in the order of the manifest."""

import itertools
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from nvidia import dali
from nvidia.dali import fn, types
from nvidia.dali.backend import TensorListGPU
from nvidia.dali.pipeline import Pipeline

from runners.dali.device import is_out_of_memory
from runners.harness.proc import thread_names
from runners.harness.workload import Invalid, Unsupported
from runners.reference.pixels import MEAN, STD, reference_pixels
from runners.reference.source import SIDE, Source

LIKE_THE_REFERENCE = {"interp_type": types.INTERP_LINEAR, "antialias": True}
"""Options of `resize`."""
SEARCHED = 20_000
"""The largest number of images to search for a broken image."""
CANNOT_BE_CUT = (
    "the last batch of DALI's reader goes on with the next epoch, and cannot be cut on the GPU; use VARIANTS=tuned"
)
_running: list[Pipeline] = []


def passes(source: Source, endless: bool, decoder: str) -> Callable[[], Iterator]:
    """A function that builds a pipeline for a pass over the images in order, or for an endless pass.

    `decoder` is DALI's name of the device that decodes: cpu, or mixed for nvJPEG. Raises Unsupported.
    """
    if not source.workers:
        raise Unsupported("DALI decodes in threads of its own: it needs --workers 1 or more")
    if source.stage == "transfer" and not source.tuned:
        raise Unsupported(CANNOT_BE_CUT)
    if not source.tuned and any("\n" in path or path != path.rstrip() for path in source.paths):
        raise Unsupported("DALI's reader takes no file names with line breaks or a space at the end; rename the files")
    return lambda: _pass(source, endless, decoder)


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, read back while the threads run."""
    pipeline = _running[-1]
    return {
        "workers_alive": str(sum(name.startswith("[DALI][TP") for name in thread_names())),
        "worker_kind": "thread",
        "num_threads": str(pipeline.num_threads),
        "prefetch_batches": str(pipeline.prefetch_queue_depth),
        "device_id": str(pipeline.device_id),
        "reader": "a thread of DALI's own" if _has_reader(source) else "the workers",
        "decoder": f"dali {dali.__version__}",
        "resize": "DALI's defaults" if source.defaults else "linear, antialias",
        "stage_statistics": "none: DALI keeps no times of its operations",
    }


def _pass(source: Source, endless: bool, decoder: str) -> Iterator:
    left = math.inf if endless else len(source.paths)
    pipeline = _built(source, endless, decoder)
    _running.append(pipeline)
    try:
        while left > 0:
            (batch,) = pipeline.run()
            # A reader goes on with the first images in the last batch of an epoch.
            yield _delivered(batch, source, min(left, source.batch_size))
            left -= source.batch_size
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        unreadable = _unreadable(source)
        if unreadable is None:
            raise
        raise unreadable from None
    finally:
        _running.remove(pipeline)


def _built(source: Source, endless: bool, decoder: str) -> Pipeline:
    """A pipeline that has not computed anything yet."""
    pipeline = Pipeline(
        batch_size=source.batch_size,
        num_threads=source.workers,
        device_id=0 if source.stage == "transfer" else None,
        prefetch_queue_depth=source.queue_batches,
    )
    with tempfile.NamedTemporaryFile() as listed:
        listed.writelines(os.fsencode(path) + b" 0\n" for path in source.paths)
        listed.flush()
        with pipeline:
            images = _images(source, endless, decoder, listed.name)
            images = _normalized(images) if source.normalized else images
            pipeline.set_outputs(images.gpu() if source.stage == "transfer" else images)
        pipeline.build()  # reads the list
    return pipeline


def _images(source: Source, endless: bool, decoder: str, listed: str) -> Any:
    """The node of uint8 images (SIDE, SIDE, 3)."""
    if source.ready is not None:
        images = fn.external_source(source=_batches(source.ready, source.batch_size, endless), batch=True)
        return images.gpu() if decoder == "mixed" else images
    if _has_reader(source):
        encoded, _ = fn.readers.file(file_list=listed)
    else:
        names = [np.frombuffer(os.fsencode(path), np.uint8) for path in source.paths]
        encoded = fn.io.file.read(fn.external_source(source=_batches(names, source.batch_size, endless), batch=True))
    if source.defaults:
        return fn.resize(fn.decoders.image(encoded, device=decoder), resize_x=SIDE, resize_y=SIDE)
    images = fn.decoders.image(encoded, device=decoder, adjust_orientation=False, jpeg_fancy_upsampling=True)
    return fn.resize(images, resize_x=SIDE, resize_y=SIDE, **LIKE_THE_REFERENCE)


def _has_reader(source: Source) -> bool:
    """Whether DALI's reader, a thread of its own, reads the files, as the documentation shows first.

    In the variant `tuned` the workers read. The reader would also begin the next epoch before the end of a pass.
    """
    return not source.tuned and source.ready is None


def _batches(values: Any, size: int, endless: bool) -> Iterator[list]:
    """Lists of `size` values in order, once or endlessly; once, the last list may be shorter."""
    positions = iter(range(len(values)))
    positions = itertools.cycle(positions) if endless else positions
    while batch := list(itertools.islice(positions, size)):
        yield [values[position] for position in batch]


def _normalized(images: Any) -> Any:
    """Normalised float32, channels last."""
    mean, deviation = ([255 * value for value in values] for values in (MEAN, STD))
    return fn.crop_mirror_normalize(images, mean=mean, std=deviation, dtype=types.FLOAT, output_layout="HWC")


def _delivered(batch: Any, source: Source, count: int) -> Any:
    """The first `count` images: copied in the variant `plain`, views of DALI's memory in the variant `tuned`."""
    if isinstance(batch, TensorListGPU):
        return batch
    made = np.asarray if source.tuned else np.array
    if source.stage == "decode":
        return [made(batch.at(number)) for number in range(count)]
    return made(batch.as_tensor())[:count]


def _unreadable(source: Source) -> Invalid | None:
    """An error with the name of the broken image, which DALI does not always tell; None if no image is broken."""
    for path in source.paths[:SEARCHED]:
        try:
            reference_pixels(path, side=1)
        except OSError as reason:
            return Invalid("DATA", f"{path!r} cannot be decoded ({' '.join(str(reason).split())})")
    return None
