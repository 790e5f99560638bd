"""PyTorch's variants of a step: they differ in memory format and compiler."""

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
    """A variant. For `tuned`, device and workload decide about the compiler."""

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

FASTER_WITH_ONEDNN = ("cnn4", "resnet18", "resnet50", "resnet152", "mobilenet_v2")
"""Networks that infer batches faster with oneDNN: MobileNetV2 took 0.8 times as long. EfficientNet took 1.7 times as
long, and oneDNN lacks VGG16's pooling."""


FASTER_IN_NCHW = ("resnet18", "resnet50", "resnet152")
"""Networks that train with single images faster in NCHW: NHWC took 1.12 to 1.14 times as long. With batches, and for
MobileNetV2, NHWC was faster."""


def layout_of(request: Request) -> torch.memory_format:
    """The memory format of tensors. For `tuned` it is the faster format in our measurements."""
    variant, case = VARIANTS[request.competitor.variant], request.case
    single = case.workload == "train" and case.device == "cpu" and case.batch_size == 1
    if variant.tuned and single and case.network in FASTER_IN_NCHW:
        return torch.contiguous_format
    return variant.layout


def form(model: nn.Module, request: Request) -> tuple[Forward, Stages]:
    """The model in the form of its variant, and the stages to run before the first call. Raises Unsupported.

    TorchScript compiles in the stage `compile`, torch.compile in the first call.
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
    """The fastest compiler in our measurements: on a CPU, frozen TorchScript for inference and none for training."""
    if request.case.device == "gpu":
        return "compile"
    return "script" if request.case.workload == "infer" else None


def _frozen(module: torch.jit.ScriptModule, request: Request) -> torch.jit.ScriptModule:
    """TorchScript with its weights as constants; networks that are faster with oneDNN use it for all layers."""
    case = request.case
    with_onednn = case.batch_size > 1 and case.network in FASTER_WITH_ONEDNN
    return torch.jit.optimize_for_inference(module) if with_onednn else torch.jit.freeze(module)
