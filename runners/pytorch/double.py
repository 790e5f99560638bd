"""The first optimiser steps in float64, where a difference between frameworks means different work."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from runners.reference.evidence import Double

TrainStep = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Takes a batch and its labels, updates the model, and returns (loss, logits) before the update."""
Fresh = Callable[[torch.dtype], nn.Module]
"""Makes a model with the shared weights on the device, in the same way as the trained model."""


def in_double(fresh: Fresh, train_step_of: Callable[[nn.Module], TrainStep]) -> Double:
    """The Double of runners/reference/evidence.py: it trains a fresh model."""

    def double(
        images: np.ndarray, labels: np.ndarray, steps: int, others: np.ndarray
    ) -> tuple[list[float], np.ndarray]:
        model = fresh(torch.float64)
        with _biased_variances(model):
            losses = losses_of(train_step_of(model), model, images, labels, steps)
        with torch.inference_mode():
            logits = model.eval()(torch.from_numpy(others).to(next(model.parameters())))
        return losses, logits.cpu().numpy()

    return double


def losses_of(
    train_step: TrainStep, model: nn.Module, images: np.ndarray, labels: np.ndarray, steps: int
) -> list[float]:
    """The loss before each of `steps` steps on one batch."""
    weight = next(model.parameters())
    batch, targets = torch.from_numpy(images).to(weight), torch.from_numpy(labels).to(weight.device)
    return [train_step(batch, targets)[0].item() for _ in range(steps)]


@contextlib.contextmanager
def _biased_variances(model: nn.Module) -> Iterator[None]:
    """Correct the running variances as if batch norms had stored biased variances (over n, not n − 1), as Keras does.

    Users of the frameworks get both conventions. Without the correction they would hide a difference in momentum.
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
