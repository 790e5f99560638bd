"""One optimiser step that several processes take together, with DistributedDataParallel."""

import os

import numpy as np
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from runners.harness.workload import Request, StepWork
from runners.pytorch import device as devices
from runners.pytorch.double import in_double
from runners.pytorch.networks import build, reference_name, sizes
from runners.pytorch.train import evaluated, train_step_of
from runners.pytorch.variants import Forward
from runners.reference.batch import feed
from runners.reference.layers import CLASSES
from runners.reference.scaling import Gradients, own_part, scaling
from runners.reference.weights import weights

BACKENDS = {"cpu": "gloo", "gpu": "nccl"}


def prepare(request: Request) -> StepWork:
    """The model with the shared weights, this process's part of the batch, and Adam.

    One process trains the plain model, as its user would.
    """
    case, rank = request.case, request.rank
    device = devices.configure(request)
    classes = CLASSES[case.network]

    def fresh(parameters: torch.dtype = torch.float32) -> nn.Module:
        return build(case.network, classes, weights(case.network, case.seed, classes), parameters).to(device).eval()

    model = fresh()
    forward: Forward = model
    if rank.count > 1:
        _meet(request)
        # The stored statistics of batch norms do not change, so there is nothing to send.
        forward = DistributedDataParallel(model, broadcast_buffers=False)
    train_step = train_step_of(model, forward)
    images, labels = own_part(request)
    batch, targets = (feed(part, request, lambda array: devices.put(array, device)) for part in (images, labels))
    trained_logits = torch.empty(0)

    def step() -> torch.Tensor:
        nonlocal trained_logits
        loss, trained_logits = train_step(batch(), targets())
        return loss

    def gradients() -> Gradients:
        model.load_state_dict(fresh().state_dict())
        return gradients_of(model, forward, batch(), targets())

    def alone(images: np.ndarray, labels: np.ndarray) -> Gradients:
        model = fresh()
        return gradients_of(model, model, devices.put(images, device), devices.put(labels, device))

    def whole(values: list[float]) -> list[float]:
        summed = torch.tensor(values, dtype=torch.float64, device=device)
        if rank.count > 1:
            distributed.all_reduce(summed)
        return (summed / rank.count).tolist()

    return scaling(
        request,
        step=step,
        synchronize=devices.synchronizer(device),
        gradients=gradients,
        alone=alone,
        whole=whole,
        logits=lambda part: evaluated(fresh(), part),
        double=in_double(fresh, train_step_of),
        parameters=sizes(model),
        seen=lambda: devices.seen([trained_logits], devices.layout(batch()), model.parameters()),
    )


def gradients_of(model: nn.Module, forward: Forward, batch: torch.Tensor, targets: torch.Tensor) -> Gradients:
    """The gradients of the loss, with the exchange between processes if `forward` has one."""
    model.zero_grad()
    nn.CrossEntropyLoss()(forward(batch), targets).backward()
    return {reference_name(name): weight.grad.cpu().numpy() for name, weight in model.named_parameters()}


def _meet(request: Request) -> None:
    """Connect the processes, over the loopback interface alone: a container may have no other."""
    os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = "lo"
    rank = request.rank
    distributed.init_process_group(
        BACKENDS[request.case.device], f"tcp://{rank.address}", rank=rank.number, world_size=rank.count
    )
