"""Grain: transformations of a data set that worker processes compute, batch by batch. Pillow decodes."""

import multiprocessing
from collections.abc import Callable, Iterator

import grain
import jax
import numpy as np
import PIL
from absl import flags

from runners.harness.workload import Invalid
from runners.jax.tally import Tally, set_worker
from runners.reference.passes import ObservedPass
from runners.reference.pixels import affine, reference_pixels
from runners.reference.shm import require_shared_memory
from runners.reference.source import SIDE, Source
from runners.reference.tally import CLOCK, stages_in_workers, timed

READING = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
"""A worker computes on one thread: it has none for reading ahead."""
BUFFERED = 1
"""Batches that wait in a worker. As many wait in the training process, so that each worker may hold two ready."""
_running: list[grain.IterDataset] = []


def opened(source: Source, endless: bool) -> Callable[[], Iterator]:
    """A function that starts a pass over the images in order, or an endless pass. Each pass has new workers."""
    if source.workers:
        require_shared_memory(_shared_bytes(source))
        flags.FLAGS.mark_as_parsed()  # Grain reads absl's flags when it starts a worker; this program has none
    return lambda: _pass(source, endless, None)


def observed(source: Source) -> ObservedPass:
    """An endless pass whose stages are timed: Grain's own statistics leave the workers every five seconds only."""
    tally = Tally(_stages(source), source.workers)
    return _pass(source, True, tally), tally.read


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, read back while the workers run."""
    alive = [worker.name.startswith("grain-process") for worker in multiprocessing.active_children()]
    copied = isinstance(_running[-1], grain.experimental.ThreadPrefetchIterDataset)
    return {
        "workers_alive": str(sum(alive)),
        "worker_kind": "process",
        "start_method": "spawn",
        "prefetch_batches": str(source.workers * (BUFFERED + BUFFERED)),
        **({"copied_by": "pipeline"} if copied else {}),
        "read_threads": str(READING.num_threads),
        "grain": grain.__version__,
        "decoder": f"pillow {PIL.__version__}",
        "stage_statistics": CLOCK,
        "normalize_in": "main process, batch" if source.tuned else "worker, image",
    }


def normalized_image(image: np.ndarray) -> np.ndarray:
    """Normalised float32 (H, W, 3) from uint8, with the most obvious operations."""
    scale, offset = affine()
    return image * scale + offset


class BatchNormalized:
    """Normalises uint8 (N, H, W, 3) to float32, image by image, with constants of an image's whole shape.

    NumPy works five times as fast with them as with constants of three numbers.
    """

    def __init__(self) -> None:
        self.scale, self.offset = (np.tile(values, (SIDE, SIDE, 1)) for values in affine())

    def __call__(self, images: np.ndarray) -> np.ndarray:
        batch = np.empty(images.shape, np.float32)
        for image, target in zip(images, batch, strict=True):
            np.multiply(image, self.scale, out=target)
            target += self.offset
        return batch


def decode(path: str) -> np.ndarray:
    """uint8 (H, W, 3). Pillow's defaults are the reference's."""
    try:
        return reference_pixels(path)
    except OSError as error:
        raise ValueError(f"{path!r} cannot be decoded ({' '.join(str(error).split())})") from None


def _dataset(source: Source, endless: bool, tally: Tally | None) -> grain.IterDataset:
    """The batches as they are delivered."""
    images = grain.MapDataset.source(source.paths if source.ready is None else source.ready)
    images = images.repeat() if endless else images
    if source.ready is None:
        images = images.map(timed(tally, "decode", decode))
    if source.normalized and not source.tuned:
        images = images.map(timed(tally, "normalize", normalized_image))
    collate = list if source.stage == "decode" else np.stack
    batches = images.batch(source.batch_size, batch_fn=timed(tally, "batch", collate)).to_iter_dataset(READING)
    if source.workers:
        options = grain.MultiprocessingOptions(source.workers, BUFFERED)
        batches = batches.mp_prefetch(options, worker_init_fn=set_worker)
    if source.normalized and source.tuned:
        batches = batches.map(timed(tally, "normalize", BatchNormalized()))
    if source.copied_ahead:
        [device] = jax.devices()
        batches = grain.experimental.device_put(batches, device, cpu_buffer_size=1, device_buffer_size=1)
    return batches


def _stages(source: Source) -> dict[str, int]:
    """The stages that are timed, each with the largest number of its tasks that run at once."""
    found = stages_in_workers(source)
    if source.stage == "transfer" and not source.copied_ahead:
        found["transfer"] = 1
    return found


def _pass(source: Source, endless: bool, tally: Tally | None) -> Iterator:
    dataset = _dataset(source, endless, tally)
    batches = iter(dataset)
    _running.append(dataset)
    copied = timed(tally, "transfer", _copied)
    try:
        for batch in batches:
            if source.stage == "transfer":
                yield jax.block_until_ready(batch) if source.copied_ahead else copied(batch)
            else:
                yield batch
    except ValueError as error:
        raise Invalid("DATA", str(error).strip().splitlines()[0]) from None
    finally:
        _running.remove(dataset)
        batches.close()
        if tally:
            tally.close()


def _copied(batch: np.ndarray) -> jax.Array:
    return jax.block_until_ready(jax.device_put(batch))


def _shared_bytes(source: Source) -> int:
    """The size of all batches that can exist at once: ready, being made or sent by each worker, and delivered."""
    element = 4 if source.normalized and not source.tuned else 1
    return source.batch_size * SIDE * SIDE * 3 * element * (source.queue_batches + 2 * source.workers + 1)
