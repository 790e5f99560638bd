"""One optimiser step of a network: zero-grad, forward, loss, backward, update."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import nn

from runners.harness.record import Check
from runners.harness.workload import OutOfMemory, Request, StepWork
from runners.pytorch import device as devices
from runners.pytorch.networks import build, counts
from runners.reference.batch import REFERENCE_IMAGES, images, labels
from runners.reference.layers import CLASSES
from runners.reference.sketch import sketch
from runners.reference.weights import digest, weights

COMPARED_LOSSES = 4

TrainStep = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@devices.naming_out_of_memory
def prepare(request: Request) -> StepWork:
    """Model with the shared weights, batch and labels on the device, Adam; a step updates the weights once."""
    case = request.case
    device = devices.configure(request)
    classes = CLASSES[case.network]
    arrays = weights(case.network, case.seed, classes)
    model = build(case.network, classes, arrays).to(device)
    batch = torch.from_numpy(images(case.seed, case.batch_size, case.input_size)).to(device)
    targets = torch.from_numpy(labels(case.seed, case.batch_size, classes)).to(device)
    losses: list[torch.Tensor] = []

    forward = model
    if request.competitor.variant == "compile":
        devices.assert_compiler(request)
        forward = torch.compile(model, dynamic=False)
    train_step = train_step_of(model, forward)

    @devices.naming_out_of_memory
    def step() -> None:
        losses[COMPARED_LOSSES:] = [train_step(batch, targets)[0]]  # the first four, then the latest

    def check() -> Check:
        while len(losses) < COMPARED_LOSSES:
            step()
        return dataclasses.replace(
            evidence(request, classes, arrays, device),
            losses=[loss.item() for loss in losses[:COMPARED_LOSSES]],
            loss_first=losses[0].item(),
            loss_last=losses[-1].item(),
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


def train_step_of(model: nn.Module, forward: nn.Module | None = None) -> TrainStep:
    """A function that updates the model once with Adam and gives the loss and the logits before the update.

    `forward` is the model in another form, such as its compiled one.
    """
    forward = model if forward is None else forward
    criterion, optimizer = nn.CrossEntropyLoss(), adam(model)

    def train_step(batch: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        optimizer.zero_grad()
        logits = forward(batch)
        loss = criterion(logits, targets)
        loss.backward()
        optimizer.step()
        return loss.detach(), logits.detach()

    return train_step


def adam(model: nn.Module) -> torch.optim.Adam:
    """The optimiser of docs/fairness.md."""
    return torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8)


def evidence(request: Request, classes: int, arrays: Mapping[str, np.ndarray], device: torch.device) -> Check:
    """What fresh models from the shared weights show, built as the trained one was, when nothing is timed any more."""
    case = request.case
    fresh = build(case.network, classes, arrays).to(device).eval()
    with torch.inference_mode():
        logits = fresh(torch.from_numpy(images(case.seed, REFERENCE_IMAGES, case.input_size)).to(device))
    found = counts(fresh)
    losses, evaluated = trained_in_double(request, classes, arrays, device)
    return Check(
        trainable=found.trainable,
        non_trainable=found.non_trainable,
        weights_digest=digest(arrays),
        logits_sketch=sketch(logits.cpu().numpy()),
        losses_fp64=losses,
        evaluated_fp64=evaluated,
    )


def first_losses(
    train_step: TrainStep, request: Request, classes: int, device: torch.device, dtype: torch.dtype = torch.float32
) -> list[float]:
    """The losses that the first steps on the shared batch give."""
    case = request.case
    batch = torch.from_numpy(images(case.seed, case.batch_size, case.input_size)).to(device, dtype)
    targets = torch.from_numpy(labels(case.seed, case.batch_size, classes)).to(device)
    return [train_step(batch, targets)[0].item() for _ in range(COMPARED_LOSSES)]


def trained_in_double(
    request: Request, classes: int, arrays: Mapping[str, np.ndarray], device: torch.device
) -> tuple[list[float] | None, list[float] | None]:
    """The first losses in float64, and a sketch of the logits in evaluation mode after them; None without memory."""
    case = request.case

    @devices.naming_out_of_memory
    def run() -> tuple[list[float], list[float]]:
        model = build(case.network, classes, arrays, torch.float64).to(device)
        with _biased_variances(model):
            losses = first_losses(train_step_of(model), request, classes, device, torch.float64)
        reference = torch.from_numpy(images(case.seed, REFERENCE_IMAGES, case.input_size)).to(device, torch.float64)
        with torch.inference_mode():
            return losses, sketch(model.eval()(reference).cpu().numpy())

    try:
        return run()
    except OutOfMemory:
        return None, None


@contextlib.contextmanager
def _biased_variances(model: nn.Module) -> Iterator[None]:
    """Leaves the running variances as if each batch's had been stored biased, which Keras does, over n, not n − 1.

    Both conventions are what users of the frameworks get; without this they would hide a difference in momentum.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    starts = [norm.running_var.clone() for norm in norms]
    sizes: dict[nn.Module, int] = {}

    def note(norm: nn.Module, inputs: tuple[torch.Tensor], _output: torch.Tensor) -> None:
        sizes[norm] = inputs[0].numel() // inputs[0].shape[1]

    hooks = [norm.register_forward_hook(note) for norm in norms]
    yield
    for norm, start, hook in zip(norms, starts, hooks, strict=True):
        hook.remove()
        left = start * (1 - norm.momentum) ** int(norm.num_batches_tracked)
        norm.running_var.copy_(left + (norm.running_var - left) * (sizes[norm] - 1) / sizes[norm])
