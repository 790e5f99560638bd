"""Two limits of this machine: the rate of a large matrix product, and the rate of copying memory."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from runners.harness.record import Check
from runners.harness.workload import Request, StepWork, Unsupported
from runners.reference.precision import DTYPES
from runners.reference.sketch import sketch
from runners.reference.stream import stream, uniform
from runners.tensorflow import device as devices

SIDES = {"cpu": 2048, "gpu": 8192}
"""The side of the square matrices: a product takes tens of milliseconds on two cores, and fills a GPU."""
ROWS, COLUMNS = 64, 1 << 20
"""The shape of the copied float32 array, 256 MiB: more than any cache holds. All rows are the same."""
SHOWN_ROWS, SHOWN_ELEMENTS = 2, 4096
"""The part of a result that the check sketches."""


@dataclass(frozen=True)
class Rate:
    """A step that returns a tensor, a function to its part to check, and the operations or bytes of one step."""

    step: Callable[[], tf.Tensor]
    shown: Callable[[tf.Tensor], tf.Tensor]
    flops: int | None = None
    bytes: int | None = None


def prepare(request: Request) -> StepWork:
    """Put operands on the device. A step computes one product, or makes one copy."""
    device = devices.configure(request)
    rate = (product if request.case.stage == "product" else copy)(request, device)

    def check() -> Check:
        return Check(logits_sketch=sketch(tf.cast(rate.shown(rate.step()), tf.float32).numpy()))

    return StepWork(
        step=rate.step,
        synchronize=devices.synchronizer(device),
        items=request.case.batch_size,
        check=check,
        seen=lambda: devices.seen([rate.step()], layout=None),
        close=lambda: None,
        flops=rate.flops,
        bytes=rate.bytes,
    )


def product(request: Request, device: str) -> Rate:
    """The product of two square matrices in the case's precision. They are arguments, because constants are folded."""
    side, seed = SIDES[request.case.device], request.case.seed

    def operand(name: str) -> tf.Tensor:
        numbers = uniform(stream(seed, f"roof/{name}"), side * side).astype(np.float32)
        return tf.cast(devices.put(numbers.reshape(side, side), device), DTYPES[request.case.precision])

    multiply = tf.function(tf.matmul, jit_compile=False)
    step = functools.partial(multiply, operand("left"), operand("right"))
    return Rate(step, lambda result: result[:SHOWN_ROWS], flops=2 * side**3)


def copy(request: Request, device: str) -> Rate:
    """The copy of a large array to existing memory. It reads and writes each element once.

    TensorFlow shares memory if it can: `tf.identity` and a variable's `assign` copy nothing.
    """
    if request.case.precision != "fp32":
        raise Unsupported("copying does not depend on the precision; use fp32")
    drawn = uniform(stream(request.case.seed, "roof/copy"), COLUMNS).astype(np.float32)
    source = tf.tile(devices.put(drawn[np.newaxis], device), (ROWS, 1))
    with tf.device(device):
        target, rows = tf.zeros_like(source), tf.range(ROWS)
    step = functools.partial(tf.raw_ops.InplaceUpdate, x=target, i=rows, v=source)
    return Rate(step, lambda result: result[0, :SHOWN_ELEMENTS], bytes=2 * ROWS * COLUMNS * drawn.itemsize)
