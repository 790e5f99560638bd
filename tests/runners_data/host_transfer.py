"""Stand-ins for what only a GPU has, so that the stage `transfer` runs on a CPU. All else is the product's own code."""

import contextlib
import dataclasses
import importlib
import threading

from runners.harness.workload import Request
from runners.reference import loading
from runners.reference.source import Source, source_of

_streams: list["_Stream"] = []
_copiers: set[str] = set()


def stand_in(framework: str) -> None:
    """Let the framework's loaders copy from the host to the host."""
    loading.source_of = _source
    if framework == "tensorflow":
        importlib.import_module("runners.tensorflow.loader_tfdata").DEVICE = "CPU:0"
    elif framework == "pytorch":
        import spdl.io
        import torch

        Source.pinned = False
        torch.cuda.Stream, torch.cuda.stream = _Stream, contextlib.nullcontext
        spdl.io.transfer_tensor_h2d = _by_spdl


def copies_under_way() -> int:
    """How many copies on the newest stream have begun and not ended."""
    return _streams[-1].under_way if _streams else 0


def spdl_copiers() -> list[str]:
    """The threads in which SPDL copied."""
    return sorted(_copiers)


def forget() -> None:
    """Forget all copies."""
    _streams.clear()
    _copiers.clear()


def _source(request: Request) -> Source:
    """The source of the request, which may ask for the stage `transfer` without a GPU."""
    if request.case.stage != "transfer":
        return source_of(request)
    on_host = dataclasses.replace(request, case=dataclasses.replace(request.case, stage="normalize", gpu_copy=None))
    return dataclasses.replace(source_of(on_host), stage="transfer", piped=request.case.gpu_copy == "piped")


def _by_spdl(batch: object) -> object:
    _copiers.add(threading.current_thread().name)
    return batch


class _Stream:
    """A CUDA stream, and its events."""

    def __init__(self, _device) -> None:
        self.under_way = 0
        _streams.append(self)

    def record_event(self) -> "_Stream":
        self.under_way += 1
        return self

    def synchronize(self) -> None:
        self.under_way -= 1
