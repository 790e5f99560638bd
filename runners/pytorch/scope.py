"""Where a step's batch begins: on the device (`compute`), or in the host's memory (`transfer+compute`)."""

from collections.abc import Callable

import numpy as np
import torch

from runners.harness.workload import Request


def feed(
    array: np.ndarray,
    request: Request,
    device: torch.device,
    dtype: torch.dtype | None = None,
    layout: torch.memory_format = torch.contiguous_format,
) -> Callable[[], torch.Tensor]:
    """What gives each step its tensor on the device, converted to `dtype`.

    In scope `transfer+compute` it is brought there anew each time from an array that lies in memory as `layout` says;
    to a CPU there is no way to go, so nothing but a conversion is left of it.
    """
    host = torch.from_numpy(array).contiguous(memory_format=layout)
    if request.case.scope == "transfer+compute":
        array = host.numpy()
        return lambda: torch.from_numpy(array).to(device, dtype)
    batch = host.to(device, dtype)
    return lambda: batch
