"""Adds up the work of a loader's stages, over all its threads and worker processes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from runners.harness.record import PipelineStage
from runners.harness.timed_call import TimedCall
from runners.reference.source import Source

CLOCK = "a clock around its calls"
"""The source of these statistics, as a loader's settings name it."""


def stages_in_workers(source: Source) -> dict[str, int]:
    """The stages of a loader whose workers do all but the normalising of the variant `tuned`, each with the largest
    number of its tasks that run at once."""
    workers = max(1, source.workers)
    found = {"decode": workers}
    if source.stage != "decode":
        found["batch"] = workers
    if source.normalized:
        found["normalize"] = 1 if source.tuned else workers
    return found


class Tally(ABC):
    """Counts the tasks of each stage and their time. It can be sent to other processes, which add to the same numbers.

    `stages` says how many tasks of each stage may run at once. Each writer (a worker process, or a thread of a pool)
    has counters of its own, so that no lock is needed.
    """

    def __init__(self, stages: Mapping[str, int]) -> None:
        self.stages = dict(stages)
        self._columns = {name: column for column, name in enumerate(stages)}

    @abstractmethod
    def counts(self) -> np.ndarray:
        """int64 (writers, stages, 2), in memory that all processes share: tasks, and the time that they took in ns."""

    @abstractmethod
    def writer(self) -> int:
        """The number of the calling process or thread, from 0."""

    def read(self) -> list[PipelineStage]:
        """The work of each stage up to now."""
        totals = self.counts().sum(axis=0).tolist()
        return [
            PipelineStage(name, workers, *total)
            for (name, workers), total in zip(self.stages.items(), totals, strict=True)
        ]

    def add(self, stage: str, busy_ns: int) -> None:
        """Count a task of this stage, done by the calling writer."""
        self.counts()[self.writer(), self._columns[stage]] += (1, busy_ns)


def timed(tally: Tally | None, stage: str, function: Callable) -> Callable:
    """The function with its calls counted and timed; unchanged if the tally does not have this stage."""
    return TimedCall(function, partial(tally.add, stage)) if tally and stage in tally.stages else function
