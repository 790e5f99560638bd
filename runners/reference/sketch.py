"""A short summary of logits that fits into a record."""

import math
from typing import Any

import numpy as np

from runners.harness.workload import Invalid
from runners.reference.stream import stream

SKETCH_SIZE = 64
PART = 1 << 16
"""Logits at a time: the signs of all pixels of a large output would take gigabytes."""


def sketch(logits: np.ndarray[tuple[int, ...], np.dtype[Any]]) -> list[float]:
    """A fixed random projection (±1/8) of the flattened logits to 64 numbers.

    Such a projection keeps distances (Johnson and Lindenstrauss 1984): the relative error of two sketches is within
    about a tenth of the relative error of the logits. Unlike a sample, it depends on every logit. Raises Invalid if a
    logit is not finite.
    """
    flat = np.asarray(logits, dtype=np.float64).ravel()
    if not np.isfinite(flat).all():
        raise Invalid("LOGITS", "logits of the reference batch are not finite numbers")
    source, total = stream(0, f"sketch/{flat.size}"), np.zeros(SKETCH_SIZE)
    for start in range(0, flat.size, PART):
        part = flat[start : start + PART]
        bits = source.random_raw(part.size)[:, None] >> np.arange(SKETCH_SIZE, dtype=np.uint64)
        total += part @ ((bits & np.uint64(1)).astype(np.float64) * 2.0 - 1.0)
    return [float(value) for value in total / math.sqrt(SKETCH_SIZE)]
