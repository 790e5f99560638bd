"""The loop of all frameworks that need no special loop."""

import time
from collections.abc import Callable

Loop = Callable[[int], list[int]]
"""Does a number of steps and returns the time of each in ns."""


def timed(step: Callable[[], object]) -> Loop:
    """A loop over a step that returns when its work is done."""

    def loop(steps: int) -> list[int]:
        times = []
        for _ in range(steps):
            began = time.perf_counter_ns()
            step()
            times.append(time.perf_counter_ns() - began)
        return times

    return loop
