"""Adds up the work of a loader's stages over the worker processes that Grain starts."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.shared_memory import SharedMemory

import numpy as np

from runners.harness.record import PipelineStage
from runners.harness.timed_call import TimedCall

_worker = 0


def set_worker(number: int, _count: int) -> None:
    """Tell the tally in which worker it counts."""
    global _worker
    _worker = number


class Tally:
    """Counts the tasks of each stage and their time. It can be sent to other processes, which add to the same numbers.

    `stages` says how many tasks of each stage may run at once. Each worker has counters of its own, so that no lock is
    needed.
    """

    def __init__(self, stages: Mapping[str, int], workers: int) -> None:
        self.stages, self._shape = dict(stages), (max(1, workers), len(stages), 2)
        self._memory = SharedMemory(create=True, size=8 * math.prod(self._shape))  # Linux fills it with zeros

    def read(self) -> list[PipelineStage]:
        """The work of each stage up to now."""
        totals = self._counts().sum(axis=0).tolist()
        return [
            PipelineStage(name, workers, *total)
            for (name, workers), total in zip(self.stages.items(), totals, strict=True)
        ]

    def add(self, stage: str, busy_ns: int) -> None:
        """Count a task of this stage, done by the calling worker."""
        self._counts()[_worker, list(self.stages).index(stage)] += (1, busy_ns)

    def close(self) -> None:
        """Release the memory."""
        self._memory.close()
        self._memory.unlink()

    def _counts(self) -> np.ndarray:
        return np.ndarray(self._shape, np.int64, self._memory.buf)


def timed(tally: Tally | None, stage: str, function: Callable) -> Callable:
    """The function with its calls counted and timed; unchanged if the tally does not have this stage."""
    return TimedCall(function, partial(tally.add, stage)) if tally and stage in tally.stages else function
