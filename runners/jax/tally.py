"""A tally in memory that the worker processes of Grain share."""

import math
from collections.abc import Mapping
from multiprocessing.shared_memory import SharedMemory

import numpy as np

from runners.reference import tally

_worker = 0


def set_worker(number: int, _count: int) -> None:
    """Tell the tally in which worker it counts."""
    global _worker
    _worker = number


class Tally(tally.Tally):
    """Its writers are Grain's workers."""

    def __init__(self, stages: Mapping[str, int], workers: int) -> None:
        super().__init__(stages)
        self._shape = (max(1, workers), len(stages), 2)
        self._memory = SharedMemory(create=True, size=8 * math.prod(self._shape))  # Linux fills it with zeros

    def counts(self) -> np.ndarray:
        return np.ndarray(self._shape, np.int64, self._memory.buf)

    def writer(self) -> int:
        return _worker

    def close(self) -> None:
        """Release the memory."""
        self._memory.close()
        self._memory.unlink()
