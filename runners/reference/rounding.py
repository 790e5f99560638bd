"""Shows with a matrix product whether a framework computes float32 in TF32, and whether it computes correctly."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from runners.harness.workload import Invalid

SIDE, FACTOR = 256, 1 + 2.0**-12
"""TF32 has ten bits after the point, so it rounds this factor to 1."""

Matrix = NDArray[np.float32]


def multiplies_in_tf32(squared: Callable[[Matrix], Matrix]) -> bool:
    """Whether `squared`, which multiplies a matrix by itself on the case's device, rounds the factors to TF32.

    Raises Invalid if the product is wrong.
    """
    product = squared(np.full((SIDE, SIDE), FACTOR, np.float32))
    for factor in (FACTOR, 1.0):
        if np.allclose(product, SIDE * factor**2, rtol=1e-6, atol=0):
            return factor == 1.0
    raise Invalid("DEVICE", f"the device multiplies wrongly: {product.flat[0]} instead of {SIDE * FACTOR**2}")
