"""Data loading: decodes, resizes, stacks and normalises the images of a data set, batch after batch."""

import importlib
from collections.abc import Callable, Iterator

import numpy as np
import torch

from runners.harness.workload import Request, Seen, StepWork, Unsupported
from runners.pytorch import device as devices
from runners.pytorch.tally import Tally
from runners.pytorch.transfer import on_device
from runners.reference.loading import loading, prepared
from runners.reference.passes import ObservedPass
from runners.reference.source import Source


def prepare(request: Request) -> StepWork:
    """Compare one epoch with the reference decoder, then start an endless pass. A step takes one batch.

    The stage `decode` delivers a list of uint8 images, `batch` one uint8 tensor (N, 3, H, W or N, H, W, 3, depending on
    the loader), `normalize` one float32 tensor (N, 3, H, W), `transfer` the same tensor on the GPU.
    """
    loader = _Loader(request.competitor.loader, devices.configure(request))
    return loading(request, loader, _seen, _on_host, loader.channels_first)


class _Loader:
    """A module `loader_<name>.py`, with a clock for its stages, and with a copy to the device where it has none."""

    def __init__(self, name: str, device: torch.device) -> None:
        self._name, self._device = name, device
        self._module = importlib.import_module(f"runners.pytorch.loader_{name}")

    def prepared(self, source: Source, request: Request) -> Source:
        if source.piped and self._adds_copy(source):
            raise Unsupported(f"gpu_copy piped: the pipeline of {self._name} has no stage that copies")
        return prepared(source, request, self._module)

    def opened(self, source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
        start_pass = self._module.opened(source, endless, tally)
        if not self._adds_copy(source):
            return start_pass
        return lambda: on_device(start_pass(), source, self._device, tally)

    def observed(self, source: Source) -> ObservedPass:
        transfer = {"transfer": 1} if self._adds_copy(source) else {}
        tally = Tally(self._module.stages(source) | transfer, writers=source.workers)
        return self.opened(source, True, tally)(), tally.read

    def settings(self, source: Source) -> dict[str, str]:
        return self._module.settings(source)

    def channels_first(self, source: Source) -> bool:
        return self._module.CHANNELS_FIRST or source.normalized

    def _adds_copy(self, source: Source) -> bool:
        """Whether batches have to be copied to the device, and the module's own pipeline does not copy them."""
        return source.stage == "transfer" and "transfer" not in self._module.stages(source)


def _on_host(batch: torch.Tensor | list[torch.Tensor]) -> list[np.ndarray]:
    return [image.cpu().numpy() for image in batch]


def _seen(batch: torch.Tensor | list[torch.Tensor]) -> Seen:
    """The settings in effect, read back from PyTorch and from a delivered batch."""
    first = batch[0][None]
    return devices.seen([first], devices.layout(first))
