"""Images with a natural spectrum, computed with integers only.

The amplitudes of a photograph fall about as 1/f, which means equal contrast in every octave. So white noise is made at
every scale from a few cells to single pixels, enlarged from scale to scale, and added up. There is no floating point:
sine, FFT and even the order of a sum may differ between machines in the last place, which can change a pixel. numpy
guarantees that the raw stream of PCG64 never changes, but not its distributions, hence the sums of bytes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]


class Stream:
    """Integers from a seed and a key, the same on every machine and with every numpy."""

    def __init__(self, *key: int) -> None:
        self._raw = np.random.PCG64(list(key)).random_raw

    def bell(self, height: int, width: int) -> Ints:
        """Centred sums of four bytes: nearly normal, with standard deviation 148."""
        words = np.asarray(self._raw(-(-height * width // 2)), dtype="<u8")
        sums = words.view(np.uint8).reshape(-1, 4).sum(axis=1, dtype=np.int32)[: height * width]
        return np.asarray(sums.reshape(height, width) - 510, dtype=np.int32)

    def below(self, limit: int) -> int:
        """An integer from 0 to limit - 1. The bias of the modulo is negligible for a small `limit`."""
        return int(self._raw()) % limit


def octaves(stream: Stream, height: int, width: int, weights: Sequence[int]) -> Ints:
    """Noise (height × width) with one octave for each of the `weights`, the coarsest first."""
    coarsest = len(weights) - 1
    field = np.zeros((-(-height // 2**coarsest), -(-width // 2**coarsest)), np.int32)
    for level, weight in zip(range(coarsest, -1, -1), weights, strict=True):
        rows, columns = -(-height // 2**level), -(-width // 2**level)
        if level < coarsest:
            field = _doubled(_doubled(field, rows).T, columns).T
        field = field + stream.bell(rows, columns) * np.int32(weight)
    return field


def _doubled(field: Ints, rows: int) -> Ints:
    """Twice as many rows (cut to `rows`), interpolated linearly between the centres of the old rows."""
    before = np.concatenate([field[:1], field[:-1]])
    after = np.concatenate([field[1:], field[-1:]])
    out = np.empty((2 * len(field), field.shape[1]), np.int32)
    out[0::2] = (3 * field + before) >> 2
    out[1::2] = (3 * field + after) >> 2
    return out[:rows]
