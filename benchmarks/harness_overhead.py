"""The cost of the harness itself, and whether it measures a known time correctly. Exit code 1 if a bound is broken.

.venv/bin/python -m benchmarks.harness_overhead [rounds]
"""

import statistics
import sys
import time
from collections.abc import Callable

from runners.harness.clock import now_ns
from runners.harness.loop import quiet_collector, sample_steps
from runners.harness.record import Check, Effective
from runners.harness.sampling import Sampling
from runners.harness.workload import StepWork

STEPS = 100_000
WARMUP = 10
EMPTY_MEDIAN_NS, EMPTY_P99_NS = 1_000, 5_000
BUSY_MS = {1: 1000, 10: 100, 100: 20}
"""How long a step waits, in ms, and how many steps are timed."""
BUSY_OFF = 0.005


def nothing() -> None:
    """An empty step and an empty synchronisation."""


def waiting(nanoseconds: int) -> Callable[[], None]:
    """A step that waits by another clock than the harness's: the processor's uncorrected counter."""
    clock, raw = time.clock_gettime_ns, time.CLOCK_MONOTONIC_RAW

    def step() -> None:
        until = clock(raw) + nanoseconds
        while clock(raw) < until:
            pass

    return step


def read(step: Callable[[], None], steps: int) -> tuple[list[int], float]:
    """(sorted step times in ns, time of the whole loop in ns a step)."""
    effective = Effective("cpu", "fp32", 1, 1, None, None, 1, None, None, None)
    work = StepWork(step, nothing, 1, Check, lambda: effective, nothing)
    with quiet_collector():
        began = now_ns()
        times = sample_steps(work, Sampling(WARMUP, steps, steps, 0.0))
        whole = (now_ns() - began) / len(times)
    return sorted(times[-steps:]), whole


def empty_steps(rounds: int) -> bool:
    """Print the measured time of an empty step, as medians over the rounds. Returns whether the bounds hold."""
    readings = [read(nothing, STEPS) for _ in range(rounds)]
    median = statistics.median(times[STEPS // 2] for times, _ in readings)
    tail = statistics.median(times[STEPS * 99 // 100] for times, _ in readings)
    whole = statistics.median(loop for _, loop in readings)
    print(f"an empty step reads {median:.0f} ns (median; at most {EMPTY_MEDIAN_NS}), {tail:.0f} ns", end=" ")
    print(f"(p99; at most {EMPTY_P99_NS}); the loop costs {whole:.0f} ns a step")
    print(f"  {STEPS} steps, medians of {rounds} rounds")
    return median <= EMPTY_MEDIAN_NS and tail <= EMPTY_P99_NS


def busy_steps(milliseconds: int, steps: int) -> bool:
    """Print the measured time of a wait of known length. Returns whether its median is within the bound."""
    times, _ = read(waiting(milliseconds * 1_000_000), steps)
    ratio = statistics.median(times) / (milliseconds * 1e6)
    print(f"a wait of {milliseconds} ms reads {ratio:.6f} of it (median of {steps}; within {BUSY_OFF:.1%})")
    return abs(ratio - 1) <= BUSY_OFF


def main() -> int:
    """Print every measurement. Returns 0 if all bounds hold."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    kept = [empty_steps(rounds), *(busy_steps(*each) for each in BUSY_MS.items())]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
