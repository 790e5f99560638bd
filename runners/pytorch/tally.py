"""Adds up the work of a loader's stages, over all its threads and worker processes."""

import threading
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch.utils.data import get_worker_info

from runners.harness.record import PipelineStage
from runners.harness.timed_call import TimedCall

CLOCK = "a clock around its calls"
"""The source of these statistics, as a loader's settings name it."""


class Tally:
    """Counts the tasks of each stage and their time. It can be sent to other processes, which add to the same numbers.

    `stages` says how many tasks of each stage may run at once. Each of the `writers` (a DataLoader's workers, or the
    threads of a pool) has counters of its own, so that no lock is needed.
    """

    def __init__(self, stages: Mapping[str, int], writers: int = 1) -> None:
        self.stages = dict(stages)
        self._columns = {name: column for column, name in enumerate(stages)}
        self._counts = torch.zeros(max(1, writers), len(stages), 2, dtype=torch.int64).share_memory_()

    def read(self) -> list[PipelineStage]:
        """The work of each stage up to now."""
        totals = self._counts.sum(dim=0).tolist()
        return [
            PipelineStage(name, workers, *total)
            for (name, workers), total in zip(self.stages.items(), totals, strict=True)
        ]

    def add(self, stage: str, busy_ns: int) -> None:
        """Count a task of this stage, done by the calling worker or thread."""
        self._counts[_writer(), self._columns[stage]] += torch.tensor([1, busy_ns])


def timed(tally: Tally | None, stage: str, function: Callable) -> Callable:
    """The function with its calls counted and timed; unchanged if the tally does not have this stage."""
    return TimedCall(function, partial(tally.add, stage)) if tally and stage in tally.stages else function


def _writer() -> int:
    """The number of this worker process, or of this thread in its pool, from 0."""
    worker = get_worker_info()
    if worker:
        return worker.id
    _, _, number = threading.current_thread().name.rpartition("_")
    return int(number) if number.isdecimal() else 0
