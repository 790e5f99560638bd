"""One optimiser step of a network: zero-grad, forward, loss, backward, update."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from runners.harness.case import Case
from runners.harness.record import Check
from runners.harness.workload import OutOfMemory, Request, StepWork
from runners.pytorch import device as devices
from runners.pytorch.infer import assert_finite
from runners.pytorch.networks import build, counts
from runners.reference.batch import REFERENCE_IMAGES, images, labels
from runners.reference.layers import CLASSES
from runners.reference.sketch import sketch
from runners.reference.weights import digest, weights

COMPARED_LOSSES = 4


@devices.naming_out_of_memory
def prepare(request: Request) -> StepWork:
    """Model with the shared weights, batch and labels on the device, Adam; a step updates the weights once."""
    case = request.case
    device = devices.configure(request)
    classes = CLASSES[case.network]
    arrays = weights(case.network, case.seed, classes)
    model = build(case.network, classes, arrays).to(device)
    reference = torch.from_numpy(images(case.seed, REFERENCE_IMAGES, case.input_size)).to(device)
    logits = assert_finite(model.eval(), reference).cpu().numpy()
    model.train()

    batch = torch.from_numpy(images(case.seed, case.batch_size, case.input_size)).to(device)
    targets = torch.from_numpy(labels(case.seed, case.batch_size, classes)).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = adam(model)
    losses: list[torch.Tensor] = []

    forward = model
    if request.competitor.variant == "compile":
        devices.assert_compiler(request)
        forward = torch.compile(model, dynamic=False)

    @devices.naming_out_of_memory
    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = criterion(forward(batch), targets)
        loss.backward()
        optimizer.step()
        losses[COMPARED_LOSSES:] = [loss.detach()]  # the first four, then the latest; read after the clock
        return loss

    def check() -> Check:
        while len(losses) < COMPARED_LOSSES:
            step()
        found = counts(model)
        return Check(
            trainable=found.trainable,
            non_trainable=found.non_trainable,
            weights_digest=digest(arrays),
            logits_sketch=sketch(logits),
            losses=[loss.item() for loss in losses[:COMPARED_LOSSES]],
            losses_fp64=losses_in_double(case, arrays, device),
            loss_first=losses[0].item(),
            loss_last=losses[-1].item(),
        )

    return StepWork(
        step=step,
        synchronize=devices.synchronizer(device),
        items=case.batch_size,
        check=check,
        effective=lambda: devices.effective(request, device),
        close=lambda: None,
        gpu_peaks=lambda: devices.gpu_peaks(device),
    )


def adam(model: nn.Module) -> torch.optim.Adam:
    """The optimiser of docs/fairness.md."""
    return torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8)


def losses_in_double(case: Case, arrays: Mapping[str, np.ndarray], device: torch.device) -> list[float] | None:
    """The first losses in float64, or None where there is no memory for them: how far is float32 from them?"""

    @devices.naming_out_of_memory
    def run() -> list[float]:
        model = build(case.network, CLASSES[case.network], arrays, torch.float64).to(device)
        batch = torch.from_numpy(images(case.seed, case.batch_size, case.input_size)).to(device, torch.float64)
        targets = torch.from_numpy(labels(case.seed, case.batch_size, CLASSES[case.network])).to(device)
        criterion, optimizer, losses = nn.CrossEntropyLoss(), adam(model), []
        for _ in range(COMPARED_LOSSES):
            optimizer.zero_grad()
            loss = criterion(model(batch), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    try:
        return run()
    except OutOfMemory:
        return None
