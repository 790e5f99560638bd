"""torch's DataLoader over any images: worker processes that hand over batches through shared memory."""

import itertools
import multiprocessing
import resource
import traceback
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.transforms import v2

from runners.harness.workload import Invalid
from runners.pytorch.normalize import normalized
from runners.pytorch.shm import require_shared_memory
from runners.pytorch.tally import CLOCK, Tally, timed
from runners.reference.pixels import MEAN, STD
from runners.reference.source import PREFETCH, SIDE, Source


class DecodedOnAccess(Dataset):
    """The images of a source through `decode`, from a path to uint8 (3, H, W); if plain, normalised one by one."""

    def __init__(self, source: Source, decode: Callable[[str], torch.Tensor]) -> None:
        self.paths, self.decode = source.paths, decode
        one_by_one = source.normalized and not source.tuned
        steps = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)] if one_by_one else [v2.Identity()]
        self.finish = v2.Compose(steps)
        self.ready = None
        if source.ready is not None:
            self.ready = torch.from_numpy(source.ready).permute(0, 3, 1, 2).contiguous()

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.finish(self.decode(self.paths[index]) if self.ready is None else self.ready[index])


def stages(source: Source) -> dict[str, int]:
    """What of the work can be timed apart, and how many of it may run at once."""
    workers = max(1, source.workers)
    found = {"decode": workers}
    if source.stage != "decode":
        found["batch"] = workers
    if source.normalized:
        found["normalize"] = 1 if source.tuned else workers
    return found


def parts(
    source: Source, decode: Callable[[str], torch.Tensor], tally: Tally | None
) -> tuple[DecodedOnAccess, Callable, Callable]:
    """The images, what makes a batch of a list of them, and what the main process does to a batch.

    A DataLoader keeps no statistics: where there is a tally, these are timed.
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
    """A loader, each call of which gives one pass over the images in order, or one without end.

    Closing a pass ends its workers, except where it is tuned: they stay until the loader is let go.
    """
    if source.workers:
        require_shared_memory(_shared_bytes(source))
        _allow_open_files()
    images, collate, finish = parts(source, decode, tally)
    loader = DataLoader(
        images,
        batch_size=source.batch_size,
        sampler=Endless(len(source.paths)) if endless else range(len(source.paths)),
        num_workers=source.workers,
        prefetch_factor=PREFETCH if source.workers else None,
        persistent_workers=source.tuned and source.workers > 0,
        collate_fn=collate,
    )
    return lambda: _pass(loader, finish)


def settings(source: Source, decoder: str) -> dict[str, str]:
    """What is in effect, read back while the workers run."""
    return {
        "workers_alive": str(len(multiprocessing.active_children())),
        "worker_kind": "process",
        "start_method": multiprocessing.get_start_method(),
        "prefetch_batches": str(source.queue_batches),
        "decoder": decoder,
        "stage_statistics": CLOCK,
        "normalize_in": "main process, batch" if source.tuned else "worker, image",
    }


def undecodable(path: str, error: Exception | str) -> ValueError:
    """What a worker raises; the class survives the way to the main process."""
    return ValueError(f"{path!r} cannot be decoded ({' '.join(str(error).split())})")


def _pass(loader: DataLoader, finish: Callable[[torch.Tensor], torch.Tensor]) -> Iterator:
    iterator = iter(loader)
    failure = None
    try:
        for batch in iterator:
            yield finish(batch)
    except ValueError as error:
        failure = Invalid("DATA", str(error).strip().splitlines()[-1].removeprefix("ValueError: "))
        traceback.clear_frames(error.__traceback__)  # they would keep the iterator, and it the workers, alive
    finally:
        del iterator, loader
    if failure:
        raise failure


class Endless:
    """Positions of the images, epoch after epoch."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        return itertools.cycle(range(self.count))


def _as_is(batch: torch.Tensor) -> torch.Tensor:
    return batch


def _shared_bytes(source: Source) -> int:
    """Every batch that can be on its way at once: queued, in each worker's hands, and delivered."""
    element = 4 if source.normalized and not source.tuned else 1
    batch = source.batch_size * SIDE * SIDE * 3 * element
    return batch * (source.queue_batches + source.workers + 1)


def _allow_open_files() -> None:
    """Each tensor of an unstacked batch travels as one open file; the usual soft limit of 1024 is too few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
