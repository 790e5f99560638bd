"""One optimiser step of a network: zero-grad, forward, loss, backward, update."""

import numpy as np
import torch
from torch import nn

from runners.harness.workload import Request, StepWork
from runners.pytorch import device as devices
from runners.pytorch.double import TrainStep, in_double
from runners.pytorch.networks import build, sizes
from runners.pytorch.precision import DTYPES, mixed
from runners.pytorch.variants import VARIANTS, Forward, form, layout_of
from runners.reference.batch import feed, shared_batch
from runners.reference.evidence import training
from runners.reference.layers import CLASSES
from runners.reference.weights import weights

INITIAL_SCALE = 2.0**15
"""The initial scale of the loss in float16: Keras's default, so that both frameworks begin alike."""


def prepare(request: Request) -> StepWork:
    """The model with the shared weights, a batch with its labels, and Adam. A step updates the weights once."""
    case, variant, layout = request.case, VARIANTS[request.competitor.variant], layout_of(request)
    device = devices.configure(request)
    classes, dtype = CLASSES[case.network], DTYPES[case.precision]

    def fresh(parameters: torch.dtype = torch.float32) -> nn.Module:
        return build(case.network, classes, weights(case.network, case.seed, classes), parameters).to(device)

    model = fresh().to(memory_format=layout)
    forward, stages = form(model, request)
    train_step = train_step_of(model, forward, dtype, variant.tuned)
    images, labels = shared_batch(request)
    batch = feed(devices.laid_out(images, layout), request, lambda array: devices.put(array, device))
    targets = feed(labels, request, lambda array: devices.put(array, device))
    trained_logits = torch.empty(0)

    def step() -> torch.Tensor:
        nonlocal trained_logits
        loss, trained_logits = train_step(batch(), targets())
        return loss

    return training(
        request,
        step=step,
        synchronize=devices.synchronizer(device),
        logits=lambda part: evaluated(fresh(), part, dtype),
        double=in_double(fresh, train_step_of),
        parameters=sizes(model),
        seen=lambda: devices.seen([trained_logits], devices.layout(batch()), model.parameters()),
        stages=stages,
    )


def train_step_of(
    model: nn.Module, forward: Forward | None = None, dtype: torch.dtype = torch.float32, fused: bool = False
) -> TrainStep:
    """A function that updates the model once with Adam, and returns the loss and the logits before the update.

    `forward` is the model in another form, such as compiled. With a `dtype` other than float32 it computes in mixed
    precision. `fused` makes one kernel of all of Adam's updates.
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


def evaluated(model: nn.Module, batch: np.ndarray, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """The model's logits in evaluation mode, in mixed precision if `dtype` is not float32."""
    device = next(model.parameters()).device
    with torch.inference_mode(), mixed(device, dtype):
        return model.eval()(torch.from_numpy(batch).to(device)).float().cpu().numpy()


def adam(model: nn.Module, fused: bool = False) -> torch.optim.Adam:
    """The optimiser of docs/fairness.md. Unless `fused`, torch chooses an implementation itself."""
    return torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, fused=fused or None)
