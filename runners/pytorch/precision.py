"""Which number formats PyTorch computes in: asked for by a case, and seen in results."""

import contextlib
from collections.abc import Iterable

import numpy as np
import torch

from runners.reference.precision import precision
from runners.reference.rounding import multiplies_in_tf32

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def allow_tf32(allowed: bool) -> None:
    """Let a GPU round the factors of float32 products to TF32, or forbid it."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def mixed(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[object]:
    """Mixed precision as PyTorch documents it: parameters stay float32, most is computed in `dtype`."""
    if dtype in (torch.bfloat16, torch.float16):
        return torch.autocast(device.type, dtype)
    return contextlib.nullcontext()


def observed(results: Iterable[torch.Tensor]) -> str:
    """What `results` were computed in. A GPU's float32 may be TF32: it is `fp32+tf32` where that holds in part."""
    results = list(results)
    found = precision(result.dtype for result in results)
    if found != "fp32" or not results[0].is_cuda:
        return found
    rounds = {
        rounds_factors(results[0].device),
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
    }
    return "+".join("tf32" if rounded else "fp32" for rounded in sorted(rounds))


def rounds_factors(device: torch.device) -> bool:
    """Whether a product in float32 on this device loses what TF32 cannot hold. Raises Invalid where it is wrong."""

    def squared(matrix: np.ndarray) -> np.ndarray:
        factors = torch.from_numpy(matrix).to(device)
        return (factors @ factors).cpu().numpy()

    return multiplies_in_tf32(squared)
