"""Stand-ins for what only a GPU has, so that the stage `transfer` runs on a CPU. All else is the product's own code."""

import contextlib
import dataclasses
import importlib

from runners.harness.workload import Request
from runners.reference.source import Source, source_of


def stand_in(framework: str) -> None:
    """Let the framework's loaders copy from the host to the host."""
    importlib.import_module(f"runners.{framework}.load").source_of = _source
    if framework == "tensorflow":
        importlib.import_module("runners.tensorflow.loader_tfdata").DEVICE = "CPU:0"
    else:
        import spdl.io
        import torch

        Source.pinned = False
        torch.cuda.Stream, torch.cuda.stream = _Stream, contextlib.nullcontext
        spdl.io.transfer_tensor_h2d = lambda batch: batch


def _source(request: Request) -> Source:
    """The source of the request, which may ask for the stage `transfer` without a GPU."""
    if request.case.stage != "transfer":
        return source_of(request)
    on_host = dataclasses.replace(request, case=dataclasses.replace(request.case, stage="normalize"))
    return dataclasses.replace(source_of(on_host), stage="transfer")


class _Stream:
    """A CUDA stream, and its events."""

    def __init__(self, _device) -> None:
        pass

    def record_event(self) -> "_Stream":
        return self

    def synchronize(self) -> None:
        pass
