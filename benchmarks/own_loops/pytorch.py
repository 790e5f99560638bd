"""Ten lines a workload: what a PyTorch user writes to time a step."""

import time
from collections.abc import Callable

import torch
from torch import nn

from runners.harness.workload import Request
from runners.pytorch.networks import build
from runners.reference.batch import images, labels
from runners.reference.layers import CLASSES
from runners.reference.weights import weights

Loop = Callable[[int], list[int]]


def loop_of(request: Request) -> Loop:
    """The loop for a case and a variant, on the case's weights and batch."""
    case, variant, classes = request.case, request.competitor.variant, CLASSES[request.case.network]
    model = build(case.network, classes, weights(case.network, case.seed, classes))
    batch = torch.from_numpy(images(case.seed, case.batch_size, case.input_size))
    if case.workload == "infer":
        return infer(model, batch, variant)
    return train(model, batch, torch.from_numpy(labels(case.seed, case.batch_size, classes)), variant)


def infer(model: nn.Module, batch: torch.Tensor, variant: str) -> Loop:
    """A loop over forward passes of the model in one of its forms."""
    model, batch, forward = formed(model.eval(), batch, variant)

    def loop(steps: int) -> list[int]:
        times = []
        with torch.inference_mode():
            for _ in range(steps):
                began = time.perf_counter_ns()
                forward(batch)
                times.append(time.perf_counter_ns() - began)
        return times

    return loop


def train(model: nn.Module, batch: torch.Tensor, targets: torch.Tensor, variant: str) -> Loop:
    """A loop over optimiser steps."""
    model, batch, forward = formed(model.train(), batch, variant)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True if variant == "tuned" else None)

    def loop(steps: int) -> list[int]:
        times = []
        for _ in range(steps):
            began = time.perf_counter_ns()
            optimizer.zero_grad()
            criterion(forward(batch), targets).backward()
            optimizer.step()
            times.append(time.perf_counter_ns() - began)
        return times

    return loop


def formed(model: nn.Module, batch: torch.Tensor, variant: str) -> tuple[nn.Module, torch.Tensor, Callable]:
    """Model, batch and what is called: the variant's name in documented calls."""
    if variant.endswith("channels_last") or variant == "tuned":
        model, batch = model.to(memory_format=torch.channels_last), batch.to(memory_format=torch.channels_last)
    if variant.startswith("script"):
        return model, batch, torch.jit.script(model)
    if variant.startswith("compile") or variant == "tuned":
        frozen = {"freezing": True} if variant == "tuned" and not model.training else None
        return model, batch, torch.compile(model, dynamic=False, options=frozen)
    return model, batch, model
