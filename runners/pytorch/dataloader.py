"""torch's DataLoader for any decoder: worker processes hand batches over through shared memory."""

import itertools
import multiprocessing
import resource
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.transforms import v2

from runners.harness.workload import Invalid
from runners.pytorch.normalize import normalized
from runners.pytorch.tally import Tally
from runners.reference.pixels import MEAN, STD
from runners.reference.shm import require_shared_memory
from runners.reference.source import SIDE, Source
from runners.reference.tally import CLOCK, stages_in_workers, timed

stages = stages_in_workers


class DecodedOnAccess(Dataset):
    """The images of a source, decoded when they are accessed. The plain variant also normalises each image.

    `decode` maps a path, or what a loader reads instead of files, to uint8 (3, H, W).
    """

    def __init__(self, source: Source, decode: Callable[[Any], torch.Tensor]) -> None:
        self.paths, self.decode = source.paths, decode
        one_by_one = source.normalized and not source.tuned
        steps = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)] if one_by_one else [v2.Identity()]
        self.finish = v2.Compose(steps)
        self.ready = None
        if source.ready is not None:
            self.ready = torch.from_numpy(source.ready).permute(0, 3, 1, 2).contiguous()

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.made_of(self.paths[index]) if self.ready is None else self.finish(self.ready[index])

    def made_of(self, encoded: object) -> torch.Tensor:
        """The image of what `decode` takes."""
        return self.finish(self.decode(encoded))


def parts(
    source: Source, decode: Callable[[Any], torch.Tensor], tally: Tally | None
) -> tuple[DecodedOnAccess, Callable, Callable]:
    """The images, a function from a list of images to a batch, and a function that the main process applies to a batch.

    A DataLoader keeps no statistics of its own, so with a `tally` all three are timed.
    """
    images = DecodedOnAccess(source, decode)
    collate = list if source.stage == "decode" else default_collate
    finish = partial(normalized, pinned=source.pinned) if source.tuned and source.normalized else _as_is
    images.decode = timed(tally, "decode", images.decode)
    if source.tuned:
        finish = timed(tally, "normalize", finish)
    else:
        images.finish = timed(tally, "normalize", images.finish)
    return images, timed(tally, "batch", collate), finish


def passes(
    source: Source, endless: bool, decode: Callable[[str], torch.Tensor], tally: Tally | None = None
) -> Callable[[], Iterator]:
    """A function that starts a pass over the images in order, or an endless pass.

    Closing a pass ends its workers. The workers of a tuned loader end with the loader.
    """
    images, collate, finish = parts(source, decode, tally)
    loader = _loader(source, endless, images, collate)
    return lambda: one_pass(loader, finish)


def with_workers(source: Source, images: Dataset, **options: Any) -> DataLoader:
    """A DataLoader with the workers of the source. Those of a tuned loader stay from pass to pass."""
    if source.workers:
        require_shared_memory(_shared_bytes(source))
        _allow_open_files()
    return DataLoader(
        images,
        num_workers=source.workers,
        prefetch_factor=source.prefetch if source.workers else None,
        persistent_workers=source.tuned and source.workers > 0,
        **options,
    )


def settings(source: Source, decoder: str) -> dict[str, str]:
    """The settings in effect, read back while the workers run.

    The size of the queue is read from a DataLoader with the same workers and queue.
    """
    loader = _loader(source, False, *parts(source, str, None)[:2])
    return {
        "workers_alive": str(len(multiprocessing.active_children())),
        "worker_kind": "process",
        "start_method": multiprocessing.get_start_method(),
        "prefetch_batches": str(loader.num_workers * (loader.prefetch_factor or 0)),
        "decoder": decoder,
        "stage_statistics": CLOCK,
        "normalize_in": "main process, batch" if source.tuned else "worker, image",
    }


def _loader(source: Source, endless: bool, images: Dataset, collate: Callable) -> DataLoader:
    positions = Endless(len(source.paths)) if endless else range(len(source.paths))
    return with_workers(source, images, batch_size=source.batch_size, sampler=positions, collate_fn=collate)


def undecodable(path: str, error: Exception | str) -> ValueError:
    """The error that a worker raises. The main process gets a ValueError too."""
    return ValueError(f"{path!r} cannot be decoded ({' '.join(str(error).split())})")


def one_pass(loader: DataLoader, finish: Callable[[torch.Tensor], torch.Tensor]) -> Iterator:
    """The batches of a pass. Closing it ends its workers; an image that cannot be decoded is an Invalid."""
    iterator = iter(loader)
    failure = None
    try:
        for batch in iterator:
            yield finish(batch)
    except ValueError as error:
        failure = Invalid("DATA", str(error).strip().splitlines()[-1].removeprefix("ValueError: "))
        traceback.clear_frames(error.__traceback__)  # the frames would keep the iterator and its workers alive
    finally:
        del iterator, loader
    if failure:
        raise failure


class Endless:
    """The positions of the images, epoch after epoch."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        return itertools.cycle(range(self.count))


def _as_is(batch: torch.Tensor) -> torch.Tensor:
    return batch


def _shared_bytes(source: Source) -> int:
    """The size of all batches that can exist at once: queued, being made by the workers, and delivered."""
    element = 4 if source.normalized and not source.tuned else 1
    batch = source.batch_size * SIDE * SIDE * 3 * element
    return batch * (source.queue_batches + source.workers + 1)


def _allow_open_files() -> None:
    """Raise the limit of open files: each tensor of an unstacked batch is one, and the usual 1024 are too few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
