"""The limits of a machine that `roof` measures, alike for every framework: a matrix product, and a copy of memory."""

from collections.abc import Callable

import numpy as np

from runners.harness.record import Check
from runners.harness.workload import Request, Seen, StepWork, Unsupported
from runners.reference.sketch import sketch
from runners.reference.stream import stream, uniform
from runners.reference.weights import Array

SIDES = {"cpu": 2048, "gpu": 8192}
"""The side of the square matrices: a product takes tens of milliseconds on two cores, and fills a GPU."""
COPIES, DRAWN = 64, 1 << 20
"""The copied float32 array is this many copies of this many elements, 256 MiB: more than any cache holds."""
SHOWN_ROWS, SHOWN_ELEMENTS = 2, 4096
"""The part of a product, or of a copy, that the check sketches."""


def factors(request: Request) -> tuple[Array, Array]:
    """The two matrices to multiply."""
    side = SIDES[request.case.device]
    streams = (stream(request.case.seed, f"roof/{name}") for name in ("left", "right"))
    left, right = (uniform(source, side * side).astype(np.float32).reshape(side, side) for source in streams)
    return left, right


def drawn(request: Request) -> Array:
    """The elements that the copied array repeats. Raises Unsupported."""
    if request.case.precision != "fp32":
        raise Unsupported("copying does not depend on the precision; use fp32")
    return uniform(stream(request.case.seed, "roof/copy"), DRAWN).astype(np.float32)


def work(
    request: Request,
    *,
    step: Callable[[], object],
    shown: Callable[[], Array],
    synchronize: Callable[[], None],
    seen: Callable[[], Seen],
) -> StepWork:
    """The work of `roof`. A step computes one product, or reads and writes each element of the array once.

    `shown` gives the part of the result to check.
    """
    is_product = request.case.stage == "product"
    return StepWork(
        step=step,
        synchronize=synchronize,
        items=request.case.batch_size,
        check=lambda: Check(logits_sketch=sketch(shown())),
        seen=seen,
        close=lambda: None,
        flops=2 * SIDES[request.case.device] ** 3 if is_product else None,
        bytes=None if is_product else 2 * COPIES * DRAWN * np.dtype(np.float32).itemsize,
    )
