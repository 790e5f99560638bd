"""One forward pass of a network in evaluation mode."""

import contextlib

import numpy as np
import torch

from runners.harness.workload import Request, StepWork
from runners.pytorch import device as devices
from runners.pytorch.networks import build, sizes
from runners.pytorch.precision import DTYPES
from runners.pytorch.variants import form, layout_of
from runners.reference.batch import feed, images
from runners.reference.evidence import inference
from runners.reference.layers import CLASSES
from runners.reference.weights import weights


def prepare(request: Request) -> StepWork:
    """The model with the shared weights, and a batch on the device or in the host's memory. A step: `model(batch)`."""
    case = request.case
    device = devices.configure(request)
    dtype, layout = DTYPES[case.precision], layout_of(request)
    # The arrays are freed after this line: a step does not need them, and its memory is measured.
    model = build(case.network, CLASSES[case.network], weights(case.network, case.seed, CLASSES[case.network]), dtype)
    model = model.to(device, memory_format=layout).eval()
    forward, stages = form(model, request)

    def put(array: np.ndarray) -> torch.Tensor:
        return devices.put(array, device, dtype)

    batch = feed(devices.laid_out(images(case.seed, case.batch_size, case.input_size), layout), request, put)

    def step() -> torch.Tensor:
        return forward(batch())

    def logits(part: np.ndarray) -> np.ndarray:
        return forward(put(devices.laid_out(part, layout))).float().cpu().numpy()

    # Entered once around all steps, as in a user's loop: entering it in each step would slow small networks down.
    without_gradients = contextlib.ExitStack()
    without_gradients.enter_context(torch.inference_mode())
    return inference(
        request,
        step=step,
        synchronize=devices.synchronizer(device),
        logits=logits,
        parameters=sizes(model),
        seen=lambda: devices.seen([step()], devices.layout(batch()), model.parameters()),
        stages=stages,
        close=without_gradients.close,
    )
