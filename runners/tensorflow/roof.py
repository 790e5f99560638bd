"""Two limits of this machine: the rate of a large matrix product, and the rate of copying memory."""

import functools

import numpy as np
import tensorflow as tf

from runners.harness.workload import Request, StepWork
from runners.reference import roof as limits
from runners.reference.precision import DTYPES
from runners.tensorflow import device as devices


def prepare(request: Request) -> StepWork:
    """Put operands on the device. A step computes one product, or makes one copy."""
    device = devices.configure(request)
    if request.case.stage == "product":
        dtype = DTYPES[request.case.precision]
        operands = [tf.cast(devices.put(matrix, device), dtype) for matrix in limits.factors(request)]
        # The operands are arguments, because constants are folded.
        step = functools.partial(tf.function(tf.matmul, jit_compile=False), *operands)
    else:
        source = tf.tile(devices.put(limits.drawn(request)[np.newaxis], device), (limits.COPIES, 1))
        with tf.device(device):
            target, rows = tf.zeros_like(source), tf.range(limits.COPIES)
        # To existing memory. TensorFlow shares memory if it can: `tf.identity` and a variable's `assign` copy nothing.
        step = functools.partial(tf.raw_ops.InplaceUpdate, x=target, i=rows, v=source)

    def shown() -> np.ndarray:
        result = step()
        part = result[: limits.SHOWN_ROWS] if request.case.stage == "product" else result[0, : limits.SHOWN_ELEMENTS]
        return tf.cast(part, tf.float32).numpy()

    return limits.work(
        request,
        step=step,
        shown=shown,
        synchronize=devices.synchronizer(device),
        seen=lambda: devices.seen([step()], layout=None),
    )
