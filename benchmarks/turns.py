"""An experiment: do two competitors that take turns scatter less than two that run one after the other?

    .venv/bin/python -m benchmarks.turns [--pair "pytorch/eager tensorflow/graph"] [--rounds 12]
        [--case "infer --network resnet18 …"]

A round starts a fresh process of each side, warms both up, and times the same two processes in both ways, in a random
order: by turns of half a second (ABBA BAAB …), in which the other side waits in a read; and one after the other, for
four seconds each. Each way gives the log of the ratio of the two median steps. The table has the scatter of these logs
over rounds, and the scatter of the difference between the two ways, to which the difference of the processes does not
contribute.
"""

import argparse
import contextlib
import importlib
import json
import os
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CASE = "infer --network resnet18 --input-size 128 --batch-size 8"
WARM_UP, TURN, TURNS = 2.0, 0.5, 8
"""Seconds of the warm-up, seconds of a turn, and the number of turns of each side."""


class Side:
    """A process that repeats its step for as many seconds as it is told."""

    def __init__(self, name: str, case: str) -> None:
        framework, variant = name.split("/")
        python = ROOT / ".venvs" / framework / "bin" / "python"
        command = [str(python), "-m", "benchmarks.turns", "--serve", framework, variant, case]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def run(self, seconds: float) -> list[int]:
        """The times of the steps in `seconds`, in ns."""
        assert self._process.stdin
        assert self._process.stdout
        print(seconds, file=self._process.stdin, flush=True)
        found: list[int] = json.loads(self._process.stdout.readline())
        return found

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Run the experiment and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pair", default="pytorch/eager tensorflow/graph")
    parser.add_argument("--case", default=CASE)
    parser.add_argument("--rounds", type=int, default=12)
    given = parser.parse_args()
    found: dict[str, list[float]] = {"by turns": [], "one after the other": []}
    for number in range(given.rounds):
        with contextlib.ExitStack() as ended:
            sides = [Side(name, given.case) for name in given.pair.split()]
            for side in sides:
                ended.callback(side.end)
                side.run(WARM_UP)
            draw = random.Random(number)
            for way in draw.sample(sorted(found), 2):
                order = sides if draw.random() < 0.5 else sides[::-1]
                found[way].append((by_turns if way == "by turns" else apart)(order, sides))
        print(f"round {number + 1} of {given.rounds}", file=sys.stderr, flush=True)
    print(f"{given.pair}, {given.case}, {given.rounds} rounds\n")
    print("| way | ratio | scatter |\n| --- | --- | --- |")
    for way, logs in found.items():
        print(f"| {way} | {np.exp(np.mean(logs)):.3f} | {np.std(logs, ddof=1):.1%} |")
    differences = np.subtract(found["one after the other"], found["by turns"])
    print(f"| their difference | {np.exp(np.mean(differences)):.3f} | {np.std(differences, ddof=1):.1%} |")


def by_turns(order: list[Side], sides: list[Side]) -> float:
    """Measure as ABBA BAAB … Returns the log of the second side's median step divided by the first's."""
    steps: dict[Side, list[int]] = {side: [] for side in sides}
    for turn in range(TURNS):
        for side in order if turn % 4 in (0, 3) else order[::-1]:
            steps[side] += side.run(TURN)
    return _log_ratio(steps, sides)


def apart(order: list[Side], sides: list[Side]) -> float:
    """Measure all of one side, then all of the other. Returns the same log."""
    return _log_ratio({side: side.run(TURN * TURNS) for side in order}, sides)


def _log_ratio(steps: dict[Side, list[int]], sides: list[Side]) -> float:
    first, second = (statistics.median(steps[side]) for side in sides)
    return float(np.log(second / first))


def serve(framework: str, variant: str, case: str) -> None:
    """In a side's own Python: prepare its step, then repeat it for the seconds on each line of standard input."""
    from runners.harness.case import Case, Competitor
    from runners.harness.workload import Request

    workload, *words = shlex.split(case)
    options = dict(zip(words[::2], words[1::2], strict=True))
    with tempfile.TemporaryDirectory() as scratch:
        measured = Case(
            workload,
            "cpu",
            batch_size=int(options["--batch-size"]),
            seed=25,
            network=options["--network"],
            input_size=int(options["--input-size"]),
            scope="compute",
        )
        threads = len(os.sched_getaffinity(0))
        request = Request(measured, Competitor(framework, variant), threads, Path(scratch), Path(scratch))
        work = importlib.import_module(f"runners.{framework}.{workload}").prepare(request)
        for stage in work.stages.values():
            stage.run()
        for line in sys.stdin:
            times, until = [], time.monotonic() + float(line)
            while time.monotonic() < until:
                began = time.perf_counter_ns()
                work.step()
                work.synchronize()
                times.append(time.perf_counter_ns() - began)
            print(json.dumps(times), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main()
