"""Measures one pair of benchmarks/own_loop.py in the framework's own Python, and prints the result as JSON.

The loop by hand is made twice, before ours and after it. Two copies of a program in one process differ by a percent or
two, and the copy that was made first tends to be slower.
"""

import importlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from runners.harness.case import Case, Competitor
from runners.harness.loop import sample_steps
from runners.harness.sampling import Sampling
from runners.harness.workload import Request, Unsupported

Side = Callable[[int], list[int]]
"""Does a number of steps and returns the time of each in ns."""

TURN_SECONDS = 0.06
LEAST_STEPS = 3
UNCOUNTED = 3
"""The first 1/3 of a turn does not count, because caches, clocks and threads are still the other side's."""
WARM_UP_ROUNDS = 2
LEAST_ROUNDS = 6
REST_SECONDS = 0.01
"""A pause before a turn, in which spinning threads of the other side come to rest."""


def rounds(sides: Sequence[Side], seconds: float) -> list[list[list[int]]]:
    """The counted steps of each side in each round. The order of the sides alternates."""
    steps = LEAST_STEPS
    for _ in range(WARM_UP_ROUNDS):
        quickest = min(min(side(steps)) for side in sides)
        steps = max(LEAST_STEPS, int(TURN_SECONDS * 1e9 / quickest))
    found: list[list[list[int]]] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(found) < LEAST_ROUNDS:
        turns: dict[int, list[int]] = {}
        for index in sorted(range(len(sides)), reverse=bool(len(found) % 2)):
            time.sleep(REST_SECONDS)
            turns[index] = sides[index](steps)[steps // UNCOUNTED :]
        found.append([turns[index] for index in range(len(sides))])
    return found


def summary(found: list[list[list[int]]], copies: tuple[int, ...]) -> dict[str, object]:
    """The numbers of a side: in each round the geometric mean of its copies' medians; the fastest tenth of steps."""
    medians = [[statistics.median(turns[copy]) for copy in copies] for turns in found]
    steps = sorted(step for turns in found for copy in copies for step in turns[copy])
    return {"rounds": [statistics.geometric_mean(each) for each in medians], "fast": steps[len(steps) // 10]}


def ours(request: Request) -> Side:
    """Our step of a case, prepared as the harness prepares it."""
    work = importlib.import_module(f"runners.{request.competitor.framework}.{request.case.workload}").prepare(request)
    for stage in work.stages.values():
        stage.run()
    return lambda steps: sample_steps(work, Sampling(0, steps, steps, 0))


def main() -> None:
    """Prepare and time our step and the loop by hand, with the same weights and the same batch."""
    framework, workload, network, variant = sys.argv[1:5]
    size, batch, seconds = int(sys.argv[5]), int(sys.argv[6]), float(sys.argv[7])
    importlib.import_module(f"runners.{framework}")  # first, because it turns off ONNX Runtime's telemetry
    own = importlib.import_module(f"benchmarks.own_loops.{framework}")
    if sys.argv[8] == "--switches":
        print(json.dumps({"switches": own.SWITCHES[workload]}))
        return
    case = Case(workload, "cpu", batch_size=batch, seed=25, network=network, input_size=size, scope="compute")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        request = Request(case, Competitor(framework, variant), int(sys.argv[9]), folder, folder)

        def by_hand() -> Side:
            return own.loop_of(request, sys.argv[8])

        importlib.import_module(f"runners.{framework}.device").configure(request)  # before any computation
        try:
            sides = [by_hand(), ours(request), by_hand()]
        except Unsupported as reason:
            print(json.dumps({"skipped": str(reason)}))
            return
        found = rounds(sides, seconds)
        print(json.dumps({"ours": summary(found, (1,)), "by_hand": summary(found, (0, 2))}))


main()
