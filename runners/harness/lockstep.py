"""How the processes of a replicate of `scale` take the same steps.

Process 0 decides when to stop. It orders every step one step ahead, so that the others never wait for an order while
the clock runs. When the window has ended, it takes the step that it has ordered already.
"""

import dataclasses
import os

from runners.harness import resources
from runners.harness.effective import effective
from runners.harness.loop import quiet_collector
from runners.harness.rank import Rank
from runners.harness.workload import Request, Seen, StepWork

STEP, SHOW = b"s", b"e"
"""The orders: take a step; show the settings in effect and the evidence."""


def leading(work: StepWork, rank: Rank) -> StepWork:
    """The work of process 0: the others take part in each step, in `seen` and in `check`, called in this order."""
    ordered = 0

    def order(what: bytes) -> None:
        for pipe in rank.pipes:
            os.write(pipe, what)

    def step() -> object:
        nonlocal ordered
        order(STEP if ordered else STEP * 2)
        ordered = 1
        return work.step()

    def seen() -> Seen:
        nonlocal ordered
        while ordered:
            work.step()
            ordered -= 1
        work.synchronize()
        order(SHOW)
        return work.seen()

    return dataclasses.replace(work, step=step, seen=seen) if rank.count > 1 else work


def follow(work: StepWork, request: Request) -> None:
    """Take part in the work until process 0 ends. Raises Invalid if other settings are in effect than it asks for."""
    resources.reset_peak()
    with quiet_collector():
        while what := os.read(request.rank.pipes[0], 1):
            if what == STEP:
                work.step()
            else:
                effective(request, work.seen())
                work.check()
