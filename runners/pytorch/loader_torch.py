"""torch.utils.data.DataLoader: worker processes that hand over batches through shared memory."""

import itertools
import multiprocessing
import resource
import traceback
from collections.abc import Iterator

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from runners.harness.workload import Invalid
from runners.pytorch.shm import require_shared_memory
from runners.reference.pixels import MEAN, STD, affine
from runners.reference.source import PREFETCH, SIDE, Source

CHANNELS_FIRST = True


class PlainImages(Dataset):
    """Pillow and torchvision's transforms, image by image, as the documentation shows."""

    def __init__(self, source: Source) -> None:
        self.paths = source.paths
        steps = [v2.Resize((SIDE, SIDE)), v2.PILToTensor()]
        if source.stage == "normalize":
            steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
        self.transform = v2.Compose(steps)

    def __getitem__(self, index: int) -> torch.Tensor:
        try:
            with Image.open(self.paths[index]) as image:
                return self.transform(image.convert("RGB"))
        except OSError as error:
            raise _undecodable(self.paths[index], error) from None


class TunedImages(Dataset):
    """libjpeg-turbo straight into a tensor, and torch's vectorised uint8 resize."""

    def __init__(self, source: Source) -> None:
        self.paths = source.paths

    def __getitem__(self, index: int) -> torch.Tensor:
        encoded = torch.from_numpy(np.fromfile(self.paths[index], np.uint8))
        try:
            image = decode_jpeg(encoded, mode=ImageReadMode.RGB)
        except RuntimeError as error:
            raise _undecodable(self.paths[index], error) from None
        return functional.resize(image, [SIDE, SIDE], antialias=True)


def deliver(source: Source, endless: bool) -> Iterator[torch.Tensor | list[torch.Tensor]]:
    """One pass over the images in order, or the same without end; closing it ends the workers."""
    if source.workers:
        require_shared_memory(_shared_bytes(source))
        _allow_open_files()
    loader = DataLoader(
        TunedImages(source) if source.tuned else PlainImages(source),
        batch_size=source.batch_size,
        sampler=_Endless(len(source.paths)) if endless else range(len(source.paths)),
        num_workers=source.workers,
        prefetch_factor=PREFETCH if source.workers else None,
        collate_fn=list if source.stage == "decode" else default_collate,
    )
    finish = _normalize if source.tuned and source.stage == "normalize" else _as_is
    iterator = iter(loader)
    failure = None
    try:
        for batch in iterator:
            yield finish(batch)
    except ValueError as error:
        failure = Invalid("DATA", str(error).strip().splitlines()[-1].removeprefix("ValueError: "))
        traceback.clear_frames(error.__traceback__)  # they would keep the iterator, and it the workers, alive
    finally:
        del iterator
    if failure:
        raise failure


def settings(source: Source) -> dict[str, str]:
    """What is in effect, read back while the workers run."""
    decoder = f"torchvision {torchvision.__version__}" if source.tuned else f"pillow {PIL.__version__}"
    return {
        "workers_alive": str(len(multiprocessing.active_children())),
        "worker_kind": "process",
        "start_method": multiprocessing.get_start_method(),
        "prefetch_batches": str(source.queue_batches),
        "decoder": decoder,
        "normalize_in": "main process, batch" if source.tuned else "worker, image",
    }


class _Endless:
    """Positions of the images, epoch after epoch."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        return itertools.cycle(range(self.count))


def _normalize(batch: torch.Tensor) -> torch.Tensor:
    """On the whole batch: a quarter of the bytes cross the shared memory, and no intermediate is made."""
    scale, offset = (torch.from_numpy(values).view(3, 1, 1) for values in affine())
    return batch.to(torch.float32).mul_(scale).add_(offset)


def _as_is(batch: torch.Tensor) -> torch.Tensor:
    return batch


def _undecodable(path: str, error: Exception) -> ValueError:
    return ValueError(f"{path!r} cannot be decoded ({' '.join(str(error).split())})")


def _shared_bytes(source: Source) -> int:
    """Every batch that can be on its way at once: queued, in each worker's hands, and delivered."""
    element = 4 if source.stage == "normalize" and not source.tuned else 1
    batch = source.batch_size * SIDE * SIDE * 3 * element
    return batch * (source.queue_batches + source.workers + 1)


def _allow_open_files() -> None:
    """Each tensor of an unstacked batch travels as one open file; the usual soft limit of 1024 is too few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
