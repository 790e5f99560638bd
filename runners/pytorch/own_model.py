"""One forward pass of a user's own module in evaluation mode."""

import contextlib

import numpy as np
import torch

from runners.harness.own_code import built, require_tensor
from runners.harness.workload import Request, Seen, StepWork, Unsupported
from runners.pytorch import device as devices
from runners.pytorch.precision import DTYPES
from runners.pytorch.variants import form, layout_of
from runners.reference.batch import feed
from runners.reference.own_model import IMAGE, inference, inputs


def prepare(request: Request) -> StepWork:
    """The module, and a batch on the device or in the host's memory. A step: `module(batch)`."""
    case = request.case
    device = devices.configure(request)
    dtype, layout = DTYPES[case.precision], layout_of(request)
    batch = inputs(case, case.batch_size)
    if layout == torch.channels_last and batch.ndim != IMAGE + 1:
        raise Unsupported(f"{request.competitor.variant} lays out images, and the input is not channels,height,width")
    model = built(request, torch.nn.Module, "a torch.nn.Module")
    model = model.to(device, memory_format=layout).eval()
    forward, stages = form(model, request)

    def laid_out(array: np.ndarray) -> np.ndarray:
        return devices.laid_out(array, layout) if array.ndim == IMAGE + 1 else array

    def put(array: np.ndarray) -> torch.Tensor:
        return devices.put(array, device, dtype)

    batch = feed(laid_out(batch), request, put)

    def step() -> torch.Tensor:
        return forward(batch())

    def seen() -> Seen:
        result = step()
        require_tensor(result, torch.Tensor, "torch.Tensor")
        return devices.seen([result], None, model.parameters())

    # Entered once around all steps, as for the networks.
    without_gradients = contextlib.ExitStack()
    without_gradients.enter_context(torch.inference_mode())
    return inference(
        request,
        step=step,
        synchronize=devices.synchronizer(device),
        outputs=lambda part: forward(put(laid_out(part))).float().cpu().numpy(),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        seen=seen,
        layout="NCHW" if layout == torch.contiguous_format else "NHWC",
        stages=stages,
        close=without_gradients.close,
    )
