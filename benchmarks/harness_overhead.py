"""What the harness itself costs: an empty step's reading, and the loop's own time beside the step.

.venv/bin/python -m benchmarks.harness_overhead [rounds]
"""

import statistics
import sys

from runners.harness.clock import now_ns
from runners.harness.loop import Sampling, quiet_collector, sample_steps
from runners.harness.record import Check, Effective
from runners.harness.workload import StepWork

STEPS = 100_000


def nothing() -> None:
    """An empty step and an empty synchronisation."""


def main() -> None:
    """Print medians over rounds of the reading and of the whole loop, in ns a step."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    effective = Effective("cpu", "fp32", 1, 1, None, None, 1, None, None, None)
    work = StepWork(nothing, nothing, 1, Check, lambda: effective, nothing)
    medians, tails, whole = [], [], []
    for _ in range(rounds):
        with quiet_collector():
            began = now_ns()
            times = sample_steps(work, Sampling(100, STEPS, STEPS, 0.0))
            whole.append((now_ns() - began) / len(times))
        steady = sorted(times[100:])
        medians.append(steady[len(steady) // 2])
        tails.append(steady[len(steady) * 99 // 100])
    print(f"an empty step reads {statistics.median(medians):.0f} ns (median), {statistics.median(tails):.0f} ns (p99)")
    print(f"the whole loop costs {statistics.median(whole):.0f} ns a step; {STEPS} steps, medians of {rounds} rounds")


if __name__ == "__main__":
    main()
