"""The loop that a PyTorch user writes to time a step."""

import time
from collections.abc import Callable

import torch
from torch import nn

from runners.harness.workload import Request
from runners.pytorch.networks import build
from runners.pytorch.variants import FASTER_IN_NCHW, FASTER_WITH_ONEDNN
from runners.reference.batch import images, labels
from runners.reference.layers import CLASSES
from runners.reference.weights import weights

Loop = Callable[[int], list[int]]


SWITCHES = {
    "infer": (
        *("eager", "channels_last", "script", "script_channels_last", "compile", "compile_channels_last"),
        *(
            "script, frozen",
            "script, optimize_for_inference",
            "compile, freezing",
            "compile, max-autotune",
            "eager, no denormals",
        ),
    ),
    "train": (
        *("eager", "channels_last", "script_channels_last", "compile", "compile_channels_last"),
        *("eager, fused Adam", "channels_last, fused Adam", "compile, fused Adam"),
    ),
}
"""Documented switches that are set in code: those of our variants, and others."""


def loop_of(request: Request, name: str) -> Loop:
    """The loop for a case in one of our variants or with a switch, on the case's weights and batch."""
    case, classes = request.case, CLASSES[request.case.network]
    with torch.inference_mode(False):  # our own step, if prepared first, has entered inference mode for good
        model = build(case.network, classes, weights(case.network, case.seed, classes))
    batch = torch.from_numpy(images(case.seed, case.batch_size, case.input_size))
    if name == "tuned" and case.workload == "infer":
        batched = case.batch_size > 1 and case.network in FASTER_WITH_ONEDNN
        name = f"script_channels_last, {'optimize_for_inference' if batched else 'frozen'}"
    if case.workload == "infer":
        return infer(model, batch, name)
    if name == "tuned":
        single = case.batch_size == 1 and case.network in FASTER_IN_NCHW
        name = f"{'eager' if single else 'channels_last'}, fused Adam"
    return train(model, batch, torch.from_numpy(labels(case.seed, case.batch_size, classes)), name)


def infer(model: nn.Module, batch: torch.Tensor, name: str) -> Loop:
    """A loop over forward passes of the model in the form called `name`."""
    model, batch, forward = formed(model.eval(), batch, name)

    def loop(steps: int) -> list[int]:
        times = []
        with torch.inference_mode():
            for _ in range(steps):
                began = time.perf_counter_ns()
                forward(batch)
                times.append(time.perf_counter_ns() - began)
        return times

    return loop


def train(model: nn.Module, batch: torch.Tensor, targets: torch.Tensor, name: str) -> Loop:
    """A loop over optimiser steps."""
    model, batch, forward = formed(model.train(), batch, name)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused="fused" in name or None)

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


def formed(model: nn.Module, batch: torch.Tensor, name: str) -> tuple[nn.Module, torch.Tensor, Callable]:
    """(model, batch, the function to call) for a switch, made with documented calls."""
    torch.set_flush_denormal("no denormals" in name)
    if "channels_last" in name:
        model, batch = model.to(memory_format=torch.channels_last), batch.to(memory_format=torch.channels_last)
    if "frozen" in name:
        return model, batch, torch.jit.freeze(torch.jit.script(model))
    if "optimize_for_inference" in name:
        return model, batch, torch.jit.optimize_for_inference(torch.jit.script(model))
    if name.startswith("script"):
        return model, batch, torch.jit.script(model)
    if name.startswith("compile"):
        options = {"freezing": True} if "freezing" in name else {}
        if "max-autotune" in name:
            options |= torch._inductor.list_mode_options("max-autotune")
        return model, batch, torch.compile(model, dynamic=False, options=options or None)
    return model, batch, model
