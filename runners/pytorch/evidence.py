"""What shows, after the clock, that training was the case's: fresh models from the shared weights."""

import contextlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import nn

from runners.harness.memory import room_for_double
from runners.harness.record import Check
from runners.harness.workload import OutOfMemory, Request
from runners.pytorch import device as devices
from runners.pytorch.networks import counts
from runners.pytorch.precision import DTYPES, mixed
from runners.reference.batch import REFERENCE_IMAGES, images, labels
from runners.reference.sketch import sketch
from runners.reference.weights import digest

COMPARED_LOSSES = 4

TrainStep = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
Fresh = Callable[[torch.dtype], nn.Module]
"""Makes a model with the shared weights on the device, as the trained one was made."""


def evidence(
    request: Request,
    classes: int,
    arrays: Mapping[str, np.ndarray],
    fresh: Fresh,
    train_step_of: Callable[[nn.Module], TrainStep],
) -> Check:
    """What a fresh model and one trained in float64 show."""
    case = request.case
    model = fresh(torch.float32).eval()
    with torch.inference_mode(), mixed(_device(model), DTYPES[case.precision]):
        logits = model(_reference(request).to(_device(model)))
    found = counts(model)
    losses, evaluated = trained_in_double(request, classes, fresh, train_step_of)
    return Check(
        trainable=found.trainable,
        non_trainable=found.non_trainable,
        weights_digest=digest(arrays),
        logits_sketch=sketch(logits.float().cpu().numpy()),
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
    request: Request, classes: int, fresh: Fresh, train_step_of: Callable[[nn.Module], TrainStep]
) -> tuple[list[float] | None, list[float] | None]:
    """The first losses in float64, and a sketch of the logits in evaluation mode after them; None without memory."""

    @devices.naming_out_of_memory
    def run() -> tuple[list[float], list[float]]:
        model = fresh(torch.float64)
        with _biased_variances(model):
            losses = first_losses(train_step_of(model), request, classes, _device(model), torch.float64)
        with torch.inference_mode():
            logits = model.eval()(_reference(request).to(_device(model), torch.float64))
        return losses, sketch(logits.cpu().numpy())

    if request.case.device == "cpu" and not room_for_double():
        return None, None
    try:
        return run()
    except OutOfMemory:
        return None, None


def _reference(request: Request) -> torch.Tensor:
    return torch.from_numpy(images(request.case.seed, REFERENCE_IMAGES, request.case.input_size))


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


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
