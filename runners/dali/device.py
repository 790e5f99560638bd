"""The device of DALI's images, checked for a request and read back for the record."""

from typing import Any

import numpy as np
from nvidia.dali.backend import TensorListGPU

from runners.harness import nvidia
from runners.harness.workload import Invalid, Request, Seen
from runners.reference.precision import precision

NO_MEMORY = ("bad_alloc", "out of memory", "Out of memory", "failed to allocate")
"""Parts of messages for full memory, for which DALI has no exception class."""
WHY = "DALI's threads are the loader's workers; it has no others to set"


def configure(request: Request) -> None:
    """Raise Invalid if the case's device is missing."""
    if request.case.device == "gpu" and nvidia.current() is None:
        raise Invalid("DEVICE", "a GPU was requested, the driver names none; check nvidia-smi, or use the CPU")


def on_host(batch: Any) -> Any:
    """The images of a delivered batch as NumPy's arrays."""
    return np.asarray(batch.as_cpu().as_tensor()) if isinstance(batch, TensorListGPU) else batch


def seen(batch: Any) -> Seen:
    """The settings in effect, read back from a delivered batch."""
    return Seen(
        device="gpu" if isinstance(batch, TensorListGPU) else "cpu",
        precision=precision(image.dtype for image in on_host(batch)),
        threads_intra=None,
        layout="NHWC",
        unknown={"threads_intra": WHY, "threads_inter": WHY},
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is DALI's error for full memory."""
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)
