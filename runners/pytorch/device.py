"""Threads, device and precision in PyTorch: set before anything runs, read back for the record."""

import functools
import os
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

import torch

from runners.harness.host import cgroup_cpu_quota, shm_bytes, visible_cpus
from runners.harness.record import Effective
from runners.harness.workload import Invalid, OutOfMemory, Request
from runners.pytorch.precision import allow_tf32, observed
from runners.reference.precision import precision

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

HOST_ALLOCATION_FAILED = "DefaultCPUAllocator"


def configure(request: Request) -> torch.device:
    """Put the request's settings into effect and return the device. Raises Invalid."""
    case = request.case
    torch.manual_seed(case.seed)
    torch.set_num_threads(request.threads)
    if torch.get_num_interop_threads() != request.threads:  # a second call raises, even with the same number
        torch.set_num_interop_threads(request.threads)
    allow_tf32(case.precision == "tf32")
    torch.backends.cudnn.benchmark = True
    device = torch.device("cuda:0" if case.device == "gpu" else "cpu")
    _assert_computes_on(device)
    return device


def effective(
    request: Request, results: Iterable[torch.Tensor], layout: str | None, parameters: Iterable[torch.Tensor] = ()
) -> Effective:
    """The settings in effect, read back from PyTorch and from tensors. Raises Invalid if others were asked for.

    `results` are what was computed or worked on: logits, a model's parameters, what a loader delivered.
    """
    results, parameters = list(results), list(parameters)
    intra, inter = torch.get_num_threads(), torch.get_num_interop_threads()
    if (intra, inter) != (request.threads, request.threads):
        raise Invalid("THREADS", f"{request.threads} threads asked for, PyTorch uses {intra} and {inter}")
    used = {tensor.device.type for tensor in (*results, *parameters)}
    wanted = "cuda" if request.case.device == "gpu" else "cpu"
    if used != {wanted} and request.case.workload != "load":  # loaders deliver in the host's memory
        raise Invalid("DEVICE", f"{wanted} was asked for, {' and '.join(sorted(used))} was used")
    on_gpu = used == {"cuda"}
    return Effective(
        device="gpu" if on_gpu else "cpu",
        precision=observed(results),
        threads_intra=intra,
        threads_inter=inter,
        tf32=(torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32) if on_gpu else None,
        layout=layout,
        visible_cpus=visible_cpus(),
        cgroup_cpu_quota=cgroup_cpu_quota(),
        shm_bytes=shm_bytes(),
        gpu=torch.cuda.get_device_name(results[0].device) if on_gpu else None,
        settings={
            **({"parameters": precision(tensor.dtype for tensor in parameters)} if parameters else {}),
            "cudnn_benchmark": str(torch.backends.cudnn.benchmark),
            "mkldnn": str(torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
            "deterministic": str(torch.are_deterministic_algorithms_enabled()),
        },
    )


def layout(batch: torch.Tensor) -> str:
    """Where the channels of N RGB images lie in memory: before the pixels (NCHW) or at each pixel (NHWC)."""
    if batch.shape[1] != 3:
        return "NHWC"
    last = batch.is_contiguous(memory_format=torch.channels_last) and not batch.is_contiguous()
    return "NHWC" if last else "NCHW"


def synchronizer(device: torch.device) -> Callable[[], None]:
    """Waits until the device has done all it was given; a CPU has when the call returns."""
    if device.type == "cuda":
        return functools.partial(torch.cuda.synchronize, device)
    return _nothing_to_wait_for


def gpu_peaks(device: torch.device) -> tuple[int | None, int | None]:
    """Peak (allocated, reserved) bytes of PyTorch's GPU allocator."""
    if device.type != "cuda":
        return None, None
    return torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)


def naming_out_of_memory(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Tell "out of memory" from other errors in the harness's own words."""

    @functools.wraps(function)
    def guarded(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        try:
            return function(*arguments, **named)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemory(str(error) or "no memory left") from error
        except RuntimeError as error:
            # The CPU allocator has no exception of its own.
            if HOST_ALLOCATION_FAILED in str(error):
                raise OutOfMemory(str(error)) from error
            raise

    return guarded


def _assert_computes_on(device: torch.device) -> None:
    """A product of ones computed where it was asked for; never a silent fallback to the CPU."""
    if device.type == "cuda" and not torch.cuda.is_available():
        raise Invalid("DEVICE", "a GPU was asked for, PyTorch sees none; check the driver, or ask for the CPU")
    ones = torch.ones(8, 8, device=device)
    product = ones @ ones
    if product.device.type != device.type or product.sum().item() != 512:
        raise Invalid("DEVICE", f"{device} was asked for, PyTorch computed on {product.device}")


def _nothing_to_wait_for() -> None:
    pass
