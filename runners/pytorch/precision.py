"""The number formats in which PyTorch computes: set for a case, and read back from results."""

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
    """Mixed precision as PyTorch documents it: parameters stay float32, most operations compute in `dtype`."""
    if dtype in (torch.bfloat16, torch.float16):
        return torch.autocast(device.type, dtype)
    return contextlib.nullcontext()


def observed(results: Iterable[torch.Tensor]) -> str:
    """The precision of `results`. A GPU's float32 may be TF32; `fp32+tf32` means that only some operations use it."""
    results = list(results)
    name = precision(result.dtype for result in results)
    if name != "fp32" or not results[0].is_cuda:
        return name
    rounds = {
        rounds_factors(results[0].device),
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
    }
    return "+".join("tf32" if rounded else "fp32" for rounded in sorted(rounds))


def rounds_factors(device: torch.device) -> bool:
    """Whether a float32 product on this device rounds its factors to TF32. Raises Invalid if the product is wrong."""

    def squared(matrix: np.ndarray) -> np.ndarray:
        factors = torch.from_numpy(matrix).to(device)
        return (factors @ factors).cpu().numpy()

    return multiplies_in_tf32(squared)
