"""What sets PyTorch's variants of a step apart: how tensors lie in memory, and what turns the model into code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from runners.harness.workload import Request
from runners.pytorch import compilers

Forward = Callable[[torch.Tensor], torch.Tensor]
Stages = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Variant:
    """One variant; `tuned` adds the documented switches that were fastest where they were tried."""

    layout: torch.memory_format = torch.contiguous_format
    compiler: str | None = None
    tuned: bool = False


VARIANTS = {
    "eager": Variant(),
    "script": Variant(compiler="script"),
    "compile": Variant(compiler="compile"),
    "channels_last": Variant(torch.channels_last),
    "script_channels_last": Variant(torch.channels_last, "script"),
    "compile_channels_last": Variant(torch.channels_last, "compile"),
    "tuned": Variant(torch.channels_last, "compile", tuned=True),
}


def form(model: nn.Module, request: Request) -> tuple[Forward, Stages]:
    """The model as its variant calls it, and what has to be done ahead of the first call. Raises Unsupported.

    TorchScript compiles ahead, torch.compile when it is first called.
    """
    variant = VARIANTS[request.competitor.variant]
    if variant.compiler == "compile":
        compilers.ready_inductor(request)
        options = {"freezing": True} if variant.tuned and not model.training else None
        return torch.compile(model, dynamic=False, options=options), {}
    if variant.compiler == "script":
        compilers.assert_script()
        scripted: list[nn.Module] = []
        return lambda batch: scripted[0](batch), {"compile": lambda: scripted.append(torch.jit.script(model))}
    return model, {}
