"""One pair of benchmarks/own_loop.py, in the framework's own Python; prints the medians of all turns as JSON."""

import importlib
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from runners.harness.case import Case, Competitor
from runners.harness.loop import Sampling, sample_steps
from runners.harness.workload import Request, StepWork, Unsupported

STEPS = 3
WARM_UP = 10
LEAST_TURNS = 14
REST_SECONDS = 0.02
"""Before a turn: threads of the other side that wait by spinning come to rest."""


def turns(work: StepWork, by_hand, seconds: float) -> tuple[list[float], list[float]]:
    """Medians of the turns of both, which alternate; who begins alternates too."""
    sampling = Sampling(0, STEPS, STEPS, 0)
    sides = {"ours": lambda: sample_steps(work, sampling), "by_hand": lambda: by_hand(STEPS)}
    medians: dict[str, list[float]] = {"ours": [], "by_hand": []}
    for _ in range(WARM_UP // STEPS):
        for side in sides.values():
            side()
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until or count < LEAST_TURNS:
        for name in sorted(sides, reverse=bool(count % 2)):
            time.sleep(REST_SECONDS)
            medians[name].append(statistics.median(sides[name]()[1:]))
        count += 1
    return medians["ours"], medians["by_hand"]


def main() -> None:
    """Prepare our step and the loop by hand from the same weights and the same batch."""
    framework, workload, network, variant = sys.argv[1:5]
    size, batch, seconds = int(sys.argv[5]), int(sys.argv[6]), float(sys.argv[7])
    importlib.import_module(f"runners.{framework}")  # before the framework: it turns ONNX Runtime's telemetry off
    own = importlib.import_module(f"benchmarks.own_loops.{framework}")
    if sys.argv[8] == "--switches":
        print(json.dumps({"switches": own.SWITCHES[workload]}))
        return
    case = Case(workload, "cpu", batch, 25, network=network, input_size=size, scope="compute")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        request = Request(case, Competitor(framework, variant), os.cpu_count() or 1, folder, folder)
        try:
            work = importlib.import_module(f"runners.{framework}.{workload}").prepare(request)
            for stage in work.stages.values():
                stage()
            by_hand = own.loop_of(request, sys.argv[8])
        except Unsupported as reason:
            print(json.dumps({"skipped": str(reason)}))
            return
        ours, theirs = turns(work, by_hand, seconds)
        print(json.dumps({"ours": ours, "by_hand": theirs}))


main()
