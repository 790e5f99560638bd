"""The rates that bound every step on this machine: of one large matrix product, and of copying memory."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from runners.harness.record import Check
from runners.harness.workload import Request, StepWork, Unsupported
from runners.pytorch import device as devices
from runners.pytorch.precision import DTYPES
from runners.reference.sketch import sketch
from runners.reference.stream import stream, uniform

SIDES = {"cpu": 2048, "gpu": 8192}
"""Of the square matrices: a product lasts tens of milliseconds on two cores, and fills a GPU."""
COPIED = 1 << 26
"""float32 elements that are copied, 256 MiB: far beyond any cache."""
DRAWN = 1 << 20
"""Elements of them that differ; the rest repeats these."""
SHOWN_ROWS, SHOWN_ELEMENTS = 2, 4096


@dataclass(frozen=True)
class Rate:
    """What is repeated, the tensor that it fills, which part of that is shown, and what one step comes to."""

    step: Callable[[], object]
    result: torch.Tensor
    shown: int
    flops: int | None = None
    bytes: int | None = None


def prepare(request: Request) -> StepWork:
    """Operands on the device; a step computes one product, or makes one copy, in memory that is there already."""
    device = devices.configure(request)
    rate = (product if request.case.stage == "product" else copy)(request, device)

    def check() -> Check:
        return Check(logits_sketch=sketch(rate.result[: rate.shown].float().cpu().numpy()))

    return StepWork(
        step=rate.step,
        synchronize=devices.synchronizer(device),
        items=request.case.batch_size,
        check=check,
        seen=lambda: devices.seen([rate.result], layout=None),
        close=lambda: None,
        flops=rate.flops,
        bytes=rate.bytes,
    )


def product(request: Request, device: torch.device) -> Rate:
    """Two square matrices in the case's precision, multiplied."""
    side, seed = SIDES[request.case.device], request.case.seed

    def operand(name: str) -> torch.Tensor:
        numbers = uniform(stream(seed, f"roof/{name}"), side * side).astype(np.float32)
        return torch.from_numpy(numbers.reshape(side, side)).to(device, DTYPES[request.case.precision])

    left, right = operand("left"), operand("right")
    result = torch.empty_like(left)
    return Rate(functools.partial(torch.mm, left, right, out=result), result, SHOWN_ROWS, flops=2 * side**3)


def copy(request: Request, device: torch.device) -> Rate:
    """A large array, copied to another place on the device; each element is read once and written once."""
    if request.case.precision != "fp32":
        raise Unsupported("bytes are copied alike whatever they mean; ask for fp32")
    drawn = uniform(stream(request.case.seed, "roof/copy"), DRAWN).astype(np.float32)
    source = torch.from_numpy(drawn).to(device).repeat(COPIED // DRAWN)
    result = torch.empty_like(source)
    moved = 2 * source.numel() * source.element_size()
    return Rate(functools.partial(result.copy_, source), result, SHOWN_ELEMENTS, bytes=moved)
