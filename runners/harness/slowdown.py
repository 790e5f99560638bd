"""Slows one competitor down by a known factor, to see whether the report finds it."""

import dataclasses
from collections.abc import Callable

from runners.harness.clock import now_ns
from runners.harness.workload import StepWork


def slowed(work: StepWork, factor: float, clock: Callable[[], int] = now_ns) -> StepWork:
    """`work` with steps that last `factor` times as long, the wait for the device included.

    The added time is a busy wait after the device has finished; the program itself does not change.
    """
    if factor == 1.0:
        return work
    began: int | None = None

    def step() -> None:
        nonlocal began
        if began is None:
            began = clock()
        work.step()

    def synchronize() -> None:
        nonlocal began
        work.synchronize()
        if began is not None:
            until = began + round(factor * (clock() - began))
            while clock() < until:
                pass
            began = None

    return dataclasses.replace(work, step=step, synchronize=synchronize)
