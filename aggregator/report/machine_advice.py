"""How to make a machine quieter, from what the records of a comparison show."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable

from aggregator.base.quantities import percent
from aggregator.judge.analysis import CaseResult
from aggregator.judge.health import PROCESS_SPREAD, Cause, signals
from aggregator.judge.sections import hardware
from aggregator.read.replicate import computed
from method.verdict import Verdict
from runners.harness.record import Record, Status

MOST = 3
"""Lines of advice: who changes three things measures again before a fourth."""
WAITED = "threads waited for a CPU or lost it: stop other programs, or use no more threads and workers than CPUs"
REMEDIES = {
    Cause.GPU_SHARED: "another process computed on the GPU: stop it (`nvidia-smi` lists them), or take another GPU",
    Cause.GPU_SLOWED: "heat or the hardware slowed the GPU down: cool it better, or fix a lower clock with "
    "`sudo nvidia-smi --lock-gpu-clocks=MIN,MAX`",
    Cause.THROTTLED: "a CPU quota stopped the process: give it whole CPUs (`--cpus`) instead of a share of their time",
    Cause.STEAL: "the host took CPU time away: use a machine, or CPUs, that no other guest shares",
    Cause.OTHERS: "other programs used the CPUs: stop them, also those outside the container",
    Cause.GPU_POWER: "the GPU reached its power limit: fix a clock that stays below the limit with "
    "`sudo nvidia-smi --lock-gpu-clocks=MIN,MAX`",
    Cause.SWAPPED: "memory was swapped in: free memory, or turn swap off with `sudo swapoff -a`",
    Cause.MAJOR_FAULTS: "pages had to be read from the disk: free memory, so that data and programs stay cached",
    Cause.GOVERNOR: "the CPU governor was not performance: set it with `sudo cpupower frequency-set -g performance`",
    Cause.CLOCK: "the CPU clock changed: fix it with `sudo cpupower frequency-set -d FREQUENCY -u FREQUENCY`, "
    "and turn boost off",
    Cause.SPEED: "the speed of the CPU changed during the replicate: fix its clock, let it cool, and let no other "
    "program use the second hardware thread of a core",
    Cause.PRESSURE: WAITED,
    Cause.SWITCHES: WAITED,
}


def needed(cases: Iterable[CaseResult]) -> list[str]:
    """The advice from the replicates of all undecided and disturbed comparisons."""
    opened = (
        record
        for case in cases
        for found in case.comparisons
        if found.verdict in (Verdict.UNDECIDED, Verdict.DISTURBED)
        for side in (found.left, found.right)
        for record in side.records
    )
    return advice(list({record.record_id: record for record in opened}.values()))


def advice(records: list[Record]) -> list[str]:
    """At most three sentences on what to change before measuring again; empty if no counter shows a cause.

    What forbids a winner comes first, then what disturbed most replicates, then the gravest cause.
    """
    measured = [record for record in records if record.status is Status.OK]
    hits: dict[str, int] = defaultdict(int)
    gates: set[str] = set()
    for record in measured:
        found = list(signals(record))
        gates |= {REMEDIES[signal.cause] for signal in found if signal.gate}
        for remedy in {REMEDIES[signal.cause] for signal in found}:
            hits[remedy] += 1
    gravest = list(dict.fromkeys(REMEDIES[cause] for cause in Cause))
    ordered = sorted(hits, key=lambda remedy: (remedy not in gates, -hits[remedy], gravest.index(remedy)))
    said = [f"In {hits[remedy]} of {len(measured)} replicates {remedy}." for remedy in ordered[:MOST]]
    spread = _widest_spread(measured)
    if spread > PROCESS_SPREAD and not said:
        said.append(
            f"Processes of the same program differ by {percent(spread)}, and no counter shows why: run more blocks "
            "(`BLOCKS=`), on cores (`--cpus`) that the kernel reserves for them (`isolcpus=`)."
        )
    return said


def _widest_spread(records: list[Record]) -> float:
    """The largest coefficient of variation between the processes of one competitor in one case."""
    sides = defaultdict(list)
    for record in records:
        sides[record.run_id, record.case, record.competitor, hardware(record)].append(
            math.log(computed(record).seconds)
        )
    return max((statistics.stdev(logs) for logs in sides.values() if len(logs) > 1), default=0.0)
