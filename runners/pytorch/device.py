"""Threads, device and precision in PyTorch: set before anything runs, and read back for the record."""

import functools
import os
from collections.abc import Callable, Iterable

import numpy as np
import torch

from runners.harness.workload import Invalid, Request, Seen
from runners.pytorch.precision import allow_tf32, observed, rounds_factors
from runners.reference.precision import precision

HOST_ALLOCATION_FAILED = "DefaultCPUAllocator"
"""A part of the message of a RuntimeError: the CPU's allocator has no exception class of its own."""


def configure(request: Request) -> torch.device:
    """Put the request's settings into effect and return the device. Raises Invalid."""
    case = request.case
    torch.manual_seed(case.seed)
    torch.set_num_threads(request.threads)
    if torch.get_num_interop_threads() != request.threads:  # a second call raises, even with the same number
        torch.set_num_interop_threads(request.threads)
    allow_tf32(case.precision == "tf32")
    torch.backends.cudnn.benchmark = True
    if case.device == "cpu":
        device = torch.device("cpu")
    elif torch.cuda.is_available():
        device = torch.device("cuda:0")
    else:
        raise Invalid("DEVICE", "a GPU was requested, PyTorch sees none; check the driver, or use the CPU")
    rounds_factors(device)  # a first computation, before anything is measured
    return device


def seen(results: Iterable[torch.Tensor], layout: str | None, parameters: Iterable[torch.Tensor] = ()) -> Seen:
    """The settings in effect, read back from PyTorch and from tensors.

    `results` are tensors that the steps produced or changed: logits, a model's parameters, delivered images.
    """
    results, parameters = list(results), list(parameters)
    places = {"gpu" if tensor.is_cuda else "cpu" for tensor in (*results, *parameters)}
    on_gpu = places == {"gpu"}
    device = results[0].device
    return Seen(
        device="+".join(sorted(places)),
        precision=observed(results),
        threads_intra=torch.get_num_threads(),
        threads_inter=torch.get_num_interop_threads(),
        layout=layout,
        parameters=precision(tensor.dtype for tensor in parameters) or None,
        tf32=(torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32) if on_gpu else None,
        gpu=torch.cuda.get_device_name(device) if on_gpu else None,
        gpu_allocated_peak_bytes=torch.cuda.max_memory_allocated(device) if on_gpu else None,
        gpu_reserved_peak_bytes=torch.cuda.max_memory_reserved(device) if on_gpu else None,
        settings={
            "cudnn_benchmark": str(torch.backends.cudnn.benchmark),
            "mkldnn": str(torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
            "deterministic": str(torch.are_deterministic_algorithms_enabled()),
        },
    )


def layout(batch: torch.Tensor) -> str:
    """The memory layout of N RGB images: channels before pixels (NCHW) or pixels before channels (NHWC)."""
    if batch.shape[1] != 3:
        return "NHWC"
    last = batch.is_contiguous(memory_format=torch.channels_last) and not batch.is_contiguous()
    return "NHWC" if last else "NCHW"


def laid_out(array: np.ndarray, memory: torch.memory_format) -> np.ndarray:
    """The array (N × 3 × height × width) in the given memory format."""
    return torch.from_numpy(array).contiguous(memory_format=memory).numpy()


def put(array: np.ndarray, device: torch.device, dtype: torch.dtype | None = None) -> torch.Tensor:
    """The array on the device, in its own layout. On a CPU it shares the array's memory unless `dtype` differs."""
    return torch.from_numpy(array).to(device, dtype)


def synchronizer(device: torch.device) -> Callable[[], None]:
    """A function that waits until the device has finished; a CPU has finished when a call returns."""
    if device.type == "cuda":
        return functools.partial(torch.cuda.synchronize, device)
    return _nothing_to_wait_for


def reset_gpu_peak() -> None:
    """Restart the allocator's peaks at what it holds now."""
    torch.cuda.reset_peak_memory_stats()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is PyTorch's error for full memory."""
    return isinstance(error, torch.OutOfMemoryError) or HOST_ALLOCATION_FAILED in str(error)


def _nothing_to_wait_for() -> None:
    pass
