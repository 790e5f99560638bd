"""Random numbers that are the same bytes on every machine and with every numpy.

They use only the raw output of a bit generator, which numpy promises never to change, and arithmetic that is exact or
rounded once. numpy's distributions, and functions such as log and cos, may differ in the last bit between builds.
"""

import hashlib

import numpy as np

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def stream(seed: int, purpose: str) -> np.random.Philox:
    """An independent stream for each seed and purpose, so that one purpose cannot shift the numbers of another."""
    key = hashlib.sha256(f"{seed}\0{purpose}".encode()).digest()[:16]
    return np.random.Philox(key=int.from_bytes(key, "little"))


def uniform(source: np.random.Philox, count: int) -> Floats:
    """`count` multiples of 2⁻²³ in [−1, 1), which are exact in float32 too."""
    integers = source.random_raw(count) >> np.uint64(40)
    return integers.astype(np.float64) * 2.0**-23 - 1.0


def normal(source: np.random.Philox, count: int) -> Floats:
    """`count` nearly standard-normal numbers: the sum of twelve uniform numbers minus its mean (Irwin–Hall).

    The sum adds integers, so every bit is determined; Box–Muller would need log and cos. Values beyond ±6 are missing,
    which does not change how long a step takes.
    """
    words = source.random_raw(3 * count).astype("<u8", copy=False).view("<u2")
    sums = words.reshape(count, 12).sum(axis=1, dtype=np.int64)
    return (sums - 6 * 65535).astype(np.float64) * 2.0**-16
