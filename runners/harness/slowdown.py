"""A known slowdown injected into one competitor, to see whether the report finds it."""

import dataclasses
from collections.abc import Callable

from runners.harness.clock import now_ns
from runners.harness.workload import StepWork


def slowed(work: StepWork, factor: float, clock: Callable[[], int] = now_ns) -> StepWork:
    """`work` whose steps, up to the end of the wait for the device, last `factor` times as long.

    The time added is spent waiting on the clock, after the device has finished: the program itself is left as it is.
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
