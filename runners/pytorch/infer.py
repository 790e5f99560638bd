"""One forward pass of a network in evaluation mode."""

import contextlib

import numpy as np
import torch

from runners.harness.record import Check
from runners.harness.workload import Request, StepWork
from runners.pytorch import device as devices
from runners.pytorch.networks import build, counts
from runners.pytorch.precision import DTYPES
from runners.pytorch.scope import feed
from runners.pytorch.variants import form, layout_of
from runners.reference.batch import REFERENCE_IMAGES, images
from runners.reference.cost import step_cost
from runners.reference.layers import CLASSES
from runners.reference.sketch import sketch
from runners.reference.weights import digest, weights


@devices.naming_out_of_memory
def prepare(request: Request) -> StepWork:
    """Model with the shared weights, batch on the device or in the host's memory; a step is `model(batch)`."""
    case = request.case
    device = devices.configure(request)
    dtype, layout = DTYPES[case.precision], layout_of(request)
    # The arrays are let go of here and generated anew for the check: they are not part of what a step needs.
    arrays = weights(case.network, case.seed, CLASSES[case.network])
    model = build(case.network, CLASSES[case.network], arrays, dtype)
    weights_digest = digest(arrays)
    del arrays
    model = model.to(device, memory_format=layout).eval()
    forward, stages = form(model, request)
    batch = feed(images(case.seed, case.batch_size, case.input_size), request, device, dtype, layout)

    @devices.naming_out_of_memory
    def step() -> torch.Tensor:
        return forward(batch())

    def check() -> Check:
        # What was timed answers for itself, in the shape it was timed in: another would compile again.
        reference = images(case.seed, max(case.batch_size, REFERENCE_IMAGES), case.input_size)
        parts = np.split(reference, len(reference) // case.batch_size)
        logits = [forward(feed(part, request, device, dtype, layout)()).float().cpu().numpy() for part in parts]
        found = counts(model)
        return Check(
            trainable=found.trainable,
            non_trainable=found.non_trainable,
            weights_digest=weights_digest,
            logits_sketch=sketch(np.concatenate(logits)[:REFERENCE_IMAGES]),
        )

    cost = step_cost(case.workload, case.network, case.input_size, case.batch_size, case.precision)
    # Entered once, around all steps, as a user's loop does it: a step of a small network would feel it.
    inference = contextlib.ExitStack()
    inference.enter_context(torch.inference_mode())
    return StepWork(
        step=step,
        synchronize=devices.synchronizer(device),
        items=case.batch_size,
        check=check,
        effective=lambda: devices.effective(request, [step()], devices.layout(batch()), model.parameters()),
        close=inference.close,
        flops=cost.flops,
        bytes=cost.bytes,
        stages=stages,
        gpu_peaks=lambda: devices.gpu_peaks(device),
    )
