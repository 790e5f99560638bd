"""Threads, device and precision in JAX: set before JAX starts a device, and read back for the record."""

import os

import jax
import numpy as np

from runners.harness.proc import threads_named
from runners.harness.rank import Rank
from runners.harness.workload import Invalid, Request, Seen
from runners.reference.precision import precision
from runners.reference.rounding import multiplies_in_tf32

NO_MEMORY = ("Out of memory", "out of memory", "Failed to allocate", "failed to allocate")
"""Parts of messages for full memory: JAX has no exception class for it."""


def configure(request: Request) -> None:
    """Put the request's settings into effect. Raises Invalid."""
    case = request.case
    os.environ["NPROC"] = str(request.threads)  # the size of XLA's thread pool, which has no setter
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # else XLA takes most of a GPU, and its peak says nothing
    jax.config.update("jax_platforms", "cuda" if case.device == "gpu" else "cpu")
    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if case.precision == "tf32" else "highest")
    jax.config.update("jax_compilation_cache_dir", str(request.compiler_cache))
    if request.rank.count > 1:
        _meet(request.rank)
    try:
        multiplies_in_tf32(_squared)  # a first computation, before anything is measured
    except (RuntimeError, AssertionError) as error:
        raise Invalid("DEVICE", f"JAX finds no {case.device}; check the driver or use the CPU: {error}") from error


def seen(result: jax.Array, parameters: dict[str, jax.Array]) -> Seen:
    """The settings in effect, read back from a step's result and from the parameters."""
    [device] = result.devices()
    return Seen(
        device=device.platform,
        precision=precision([result.dtype]),
        threads_intra=threads_named("tf_XLAEigen") or None,
        layout="NHWC",
        parameters=precision(array.dtype for array in parameters.values()),
        tf32=multiplies_in_tf32(_squared) if device.platform == "gpu" else None,
        gpu_allocated_peak_bytes=(device.memory_stats() or {}).get("peak_bytes_in_use"),
        unknown={"threads_inter": "XLA does not report it", "threads_intra": "on a GPU, XLA has no such pool"},
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is JAX's error for full memory: at a step RESOURCE_EXHAUSTED, while compiling also others."""
    told = isinstance(error, jax.errors.JaxRuntimeError) and any(words in str(error) for words in NO_MEMORY)
    return told or "RESOURCE_EXHAUSTED" in str(error)


def _meet(rank: Rank) -> None:
    """Connect the processes. It must happen before JAX starts a device."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(rank.address, rank.count, rank.number)


def _squared(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(jax.device_put(matrix) @ matrix)
