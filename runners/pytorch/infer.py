"""One forward pass of a network in evaluation mode."""

import numpy as np
import torch

from runners.harness.record import Check
from runners.harness.workload import Request, StepWork
from runners.pytorch import device as devices
from runners.pytorch.networks import build, counts
from runners.reference.batch import REFERENCE_IMAGES, images
from runners.reference.layers import CLASSES
from runners.reference.sketch import sketch
from runners.reference.weights import digest, weights


@devices.naming_out_of_memory
def prepare(request: Request) -> StepWork:
    """Model with the shared weights, batch on the device; a step is `model(batch)`."""
    case = request.case
    device = devices.configure(request)
    classes = CLASSES[case.network]
    arrays = weights(case.network, case.seed, classes)
    model = build(case.network, classes, arrays).to(device).eval()
    reference = torch.from_numpy(images(case.seed, max(case.batch_size, REFERENCE_IMAGES), case.input_size)).to(device)
    batch = reference[: case.batch_size]

    forward = model
    if request.competitor.variant == "compile":
        devices.assert_compiler(request)
        forward = torch.compile(model, dynamic=False)

    @devices.naming_out_of_memory
    def step() -> torch.Tensor:
        with torch.inference_mode():
            return forward(batch)

    def check() -> Check:
        # What was timed answers for itself, in the shape it was timed in: another would compile again.
        with torch.inference_mode():
            logits = [forward(part).cpu().numpy() for part in reference.split(case.batch_size)]
        found = counts(model)
        return Check(
            trainable=found.trainable,
            non_trainable=found.non_trainable,
            weights_digest=digest(arrays),
            logits_sketch=sketch(np.concatenate(logits)[:REFERENCE_IMAGES]),
        )

    return StepWork(
        step=step,
        synchronize=devices.synchronizer(device),
        items=case.batch_size,
        check=check,
        effective=lambda: devices.effective(request, model.parameters(), devices.layout(batch)),
        close=lambda: None,
        gpu_peaks=lambda: devices.gpu_peaks(device),
    )
