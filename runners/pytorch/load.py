"""Data loading: decodes, resizes, stacks and normalises the images of a data set, batch after batch."""

import importlib
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import torch

from runners.harness.workload import Request, Seen, StepWork, Unsupported
from runners.pytorch import device as devices
from runners.pytorch.tally import Tally
from runners.pytorch.transfer import on_device
from runners.reference.loading import loading, prepared
from runners.reference.passes import ObservedPass
from runners.reference.source import Source, source_of


def prepare(request: Request) -> StepWork:
    """Compare one epoch with the reference decoder, then start an endless pass. A step takes one batch.

    The stage `decode` delivers a list of uint8 images, `batch` one uint8 tensor (N, 3, H, W or N, H, W, 3, depending on
    the loader), `normalize` one float32 tensor (N, 3, H, W), `transfer` the same tensor on the GPU.
    """
    module = importlib.import_module(f"runners.pytorch.loader_{request.competitor.loader}")
    source = source_of(request)
    copies = source.stage == "transfer" and "transfer" not in module.stages(source)  # else the loader itself copies
    if copies and source.piped:
        raise Unsupported(f"gpu_copy piped: the pipeline of {request.competitor.loader} has no stage that copies")
    loader = Loader(module, devices.configure(request), copies)
    return loading(request, loader, seen, on_host, module.CHANNELS_FIRST or source.normalized)


class Loader:
    """A module `loader_<name>.py` with a clock for its stages, and with a copy to the device if it has none itself."""

    def __init__(self, module: ModuleType, device: torch.device, copies: bool) -> None:
        self.module, self.device, self.copies = module, device, copies

    def prepared(self, source: Source, request: Request) -> Source:
        return prepared(source, request, self.module)

    def opened(self, source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
        start_pass = self.module.opened(source, endless, tally)
        return (lambda: on_device(start_pass(), source, self.device, tally)) if self.copies else start_pass

    def observed(self, source: Source) -> ObservedPass:
        transfer = {"transfer": 1} if self.copies else {}
        tally = Tally(self.module.stages(source) | transfer, writers=source.workers)
        return self.opened(source, True, tally)(), tally.read

    def settings(self, source: Source) -> dict[str, str]:
        return self.module.settings(source)


def on_host(batch: torch.Tensor | list[torch.Tensor]) -> list[np.ndarray]:
    """The images of a batch as NumPy's arrays."""
    return [image.cpu().numpy() for image in batch]


def seen(batch: torch.Tensor | list[torch.Tensor]) -> Seen:
    """The settings in effect, read back from PyTorch and from a delivered batch."""
    first = batch[0][None]
    return devices.seen([first], devices.layout(first))
