"""What sets PyTorch's variants of a step apart: how tensors lie in memory, and what turns the model into code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from runners.harness.workload import Request, Stage
from runners.pytorch import compilers

Forward = Callable[[torch.Tensor], torch.Tensor]
Stages = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Variant:
    """One variant; in `tuned`, device and workload decide about the compiler."""

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
    "tuned": Variant(torch.channels_last, tuned=True),
}

ONEDNN_SUITS = ("cnn4", "resnet18", "resnet50", "resnet152", "mobilenet_v2")
"""In batches: it took 0.8 times as long (MobileNetV2), but 1.7 times for EfficientNet; VGG16's pooling it lacks."""


NCHW_SUITS_SINGLES = ("resnet18", "resnet50", "resnet152")
"""Trained one image at a time: NHWC took 1.12 to 1.14 times as long; in batches, and for MobileNetV2, less."""


def layout_of(request: Request) -> torch.memory_format:
    """How tensors lie in memory; in `tuned` what was measured to be faster decides."""
    variant, case = VARIANTS[request.competitor.variant], request.case
    single = case.workload == "train" and case.device == "cpu" and case.batch_size == 1
    if variant.tuned and single and case.network in NCHW_SUITS_SINGLES:
        return torch.contiguous_format
    return variant.layout


def form(model: nn.Module, request: Request) -> tuple[Forward, Stages]:
    """The model as its variant calls it, and what has to be done ahead of the first call. Raises Unsupported.

    TorchScript compiles ahead, torch.compile when it is first called.
    """
    variant = VARIANTS[request.competitor.variant]
    compiler = _fastest(request) if variant.tuned else variant.compiler
    if compiler == "script":
        compilers.assert_script()
        scripted: list[Forward] = []

        def script() -> None:
            module = torch.jit.script(model)
            scripted.append(_frozen(module, request) if variant.tuned else module)

        return lambda batch: scripted[0](batch), {"compile": Stage(script)}
    if compiler == "compile":
        compilers.ready_inductor(request)
        mode = "reduce-overhead" if variant.tuned else None  # records CUDA graphs
        return torch.compile(model, dynamic=False, mode=mode), {}
    return model, {}


def _fastest(request: Request) -> str | None:
    """On a CPU frozen TorchScript inferred fastest, in float32 and in bfloat16; in training neither compiler helped."""
    if request.case.device == "gpu":
        return "compile"
    return "script" if request.case.workload == "infer" else None


def _frozen(module: torch.jit.ScriptModule, request: Request) -> torch.jit.ScriptModule:
    """TorchScript with its weights as constants, and where that was faster with all layers handed to oneDNN."""
    case = request.case
    batched = case.batch_size > 1 and case.network in ONEDNN_SUITS
    return torch.jit.optimize_for_inference(module) if batched else torch.jit.freeze(module)
