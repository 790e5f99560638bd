"""One optimiser step of a network: zero-grad, forward, loss, backward, update."""

import dataclasses

import torch
from torch import nn

from runners.harness.record import Check
from runners.harness.workload import Request, StepWork
from runners.pytorch import device as devices
from runners.pytorch.evidence import COMPARED_LOSSES, TrainStep, evidence
from runners.pytorch.networks import build
from runners.pytorch.precision import DTYPES, mixed
from runners.pytorch.scope import feed
from runners.pytorch.variants import VARIANTS, Forward, form, layout_of
from runners.reference.batch import images, labels
from runners.reference.cost import step_cost
from runners.reference.layers import CLASSES
from runners.reference.weights import weights

INITIAL_SCALE = 2.0**15
"""Of the loss in float16: Keras's default, so that both begin alike."""


@devices.naming_out_of_memory
def prepare(request: Request) -> StepWork:
    """Model with the shared weights, batch and labels, Adam; a step updates the weights once."""
    case, variant, layout = request.case, VARIANTS[request.competitor.variant], layout_of(request)
    device = devices.configure(request)
    classes, dtype = CLASSES[case.network], DTYPES[case.precision]
    # The arrays are let go of here and generated anew for the check: they are not part of what a step needs.
    model = build(case.network, classes, weights(case.network, case.seed, classes))
    model = model.to(device, memory_format=layout)
    forward, stages = form(model, request)
    train_step = train_step_of(model, forward, dtype, variant.tuned)
    batch = feed(images(case.seed, case.batch_size, case.input_size), request, device, layout=layout)
    targets = feed(labels(case.seed, case.batch_size, classes), request, device)
    losses: list[torch.Tensor] = []
    logits = torch.empty(0)

    @devices.naming_out_of_memory
    def step() -> None:
        nonlocal logits
        loss, logits = train_step(batch(), targets())
        losses[COMPARED_LOSSES:] = [loss]  # the first four, then the latest

    def check() -> Check:
        while len(losses) < COMPARED_LOSSES:
            step()
        arrays = weights(case.network, case.seed, classes)

        def fresh(dtype: torch.dtype) -> nn.Module:
            return build(case.network, classes, arrays, dtype).to(device)

        return dataclasses.replace(
            evidence(request, classes, arrays, fresh, train_step_of),
            losses=[loss.item() for loss in losses[:COMPARED_LOSSES]],
            loss_first=losses[0].item(),
            loss_last=losses[-1].item(),
        )

    cost = step_cost(case.workload, case.network, case.input_size, case.batch_size, case.precision)
    return StepWork(
        step=step,
        synchronize=devices.synchronizer(device),
        items=case.batch_size,
        check=check,
        effective=lambda: devices.effective(request, [logits], devices.layout(batch()), model.parameters()),
        close=lambda: None,
        flops=cost.flops,
        bytes=cost.bytes,
        stages=stages,
        gpu_peaks=lambda: devices.gpu_peaks(device),
    )


def train_step_of(
    model: nn.Module, forward: Forward | None = None, dtype: torch.dtype = torch.float32, fused: bool = False
) -> TrainStep:
    """A function that updates the model once with Adam and gives the loss and the logits before the update.

    `forward` is the model in another form, such as its compiled one; `dtype` is what is computed in beside float32,
    `fused` one kernel for all of Adam's updates.
    """
    forward = model if forward is None else forward
    criterion, optimizer = nn.CrossEntropyLoss(), adam(model, fused)
    device = next(model.parameters()).device
    precision = mixed(device, dtype)
    scaler = torch.amp.GradScaler(device.type, INITIAL_SCALE, enabled=dtype is torch.float16)

    def train_step(batch: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        optimizer.zero_grad()
        with precision:
            logits = forward(batch)
            loss = criterion(logits, targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach(), logits.detach()

    return train_step


def adam(model: nn.Module, fused: bool = False) -> torch.optim.Adam:
    """The optimiser of docs/fairness.md; torch chooses its form itself unless it is to be fused."""
    return torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, fused=fused or None)
