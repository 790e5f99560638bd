"""Two limits of this machine: the rate of a large matrix product, and the rate of copying memory."""

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
"""The side of the square matrices: a product takes tens of milliseconds on two cores, and fills a GPU."""
COPIED = 1 << 26
"""The number of copied float32 elements, 256 MiB: more than any cache holds."""
DRAWN = 1 << 20
"""The number of different elements; the rest repeats them."""
SHOWN_ROWS, SHOWN_ELEMENTS = 2, 4096
"""The part of a result that the check sketches."""


@dataclass(frozen=True)
class Rate:
    """A step, the tensor that it fills, the length of the part to check, and the operations or bytes of one step."""

    step: Callable[[], object]
    result: torch.Tensor
    shown: int
    flops: int | None = None
    bytes: int | None = None


def prepare(request: Request) -> StepWork:
    """Put operands on the device. A step computes one product, or makes one copy, into existing memory."""
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
    """The product of two square matrices in the case's precision."""
    side, seed = SIDES[request.case.device], request.case.seed

    def operand(name: str) -> torch.Tensor:
        numbers = uniform(stream(seed, f"roof/{name}"), side * side).astype(np.float32)
        return torch.from_numpy(numbers.reshape(side, side)).to(device, DTYPES[request.case.precision])

    left, right = operand("left"), operand("right")
    result = torch.empty_like(left)
    return Rate(functools.partial(torch.mm, left, right, out=result), result, SHOWN_ROWS, flops=2 * side**3)


def copy(request: Request, device: torch.device) -> Rate:
    """The copy of a large array on the device. It reads and writes each element once."""
    if request.case.precision != "fp32":
        raise Unsupported("copying does not depend on the precision; use fp32")
    drawn = uniform(stream(request.case.seed, "roof/copy"), DRAWN).astype(np.float32)
    source = torch.from_numpy(drawn).to(device).repeat(COPIED // DRAWN)
    result = torch.empty_like(source)
    moved = 2 * source.numel() * source.element_size()
    return Rate(functools.partial(result.copy_, source), result, SHOWN_ELEMENTS, bytes=moved)
