"""Two limits of this machine: the rate of a large matrix product, and the rate of copying memory."""

import functools

import torch

from runners.harness.workload import Request, StepWork
from runners.pytorch import device as devices
from runners.pytorch.precision import DTYPES
from runners.reference import roof as limits


def prepare(request: Request) -> StepWork:
    """Put operands on the device. A step computes one product, or makes one copy, into existing memory."""
    device = devices.configure(request)
    if request.case.stage == "product":
        left, right = (
            devices.put(matrix, device, DTYPES[request.case.precision]) for matrix in limits.factors(request)
        )
        result = torch.empty_like(left)
        step, shown = functools.partial(torch.mm, left, right, out=result), result[: limits.SHOWN_ROWS]
    else:
        source = devices.put(limits.drawn(request), device).repeat(limits.COPIES)
        result = torch.empty_like(source)
        step, shown = functools.partial(result.copy_, source), result[: limits.SHOWN_ELEMENTS]
    return limits.work(
        request,
        step=step,
        shown=lambda: shown.float().cpu().numpy(),
        synchronize=devices.synchronizer(device),
        seen=lambda: devices.seen([result], layout=None),
    )
