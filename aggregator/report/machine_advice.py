"""What a quieter machine would need, from what the records of a comparison show."""

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

REMEDIES = {
    Cause.GPU_SHARED: "another process computed on the GPU: stop it (`nvidia-smi` lists them), or take another GPU",
    Cause.GPU_SLOWED: "heat or the hardware slowed the GPU down: cool it better, or fix a lower clock with "
    "`sudo nvidia-smi --lock-gpu-clocks=MIN,MAX`",
    Cause.THROTTLED: "a CPU quota stopped the process: give it whole CPUs (`--cpus`) instead of a share of their time",
    Cause.STEAL: "the host took CPU time away: use a machine, or CPUs, that no other guest shares",
    Cause.OTHERS: "other programs used the CPUs: stop them, also those outside the container",
    Cause.GPU_POWER: "the GPU ran into its power limit: fix a clock that stays below it with "
    "`sudo nvidia-smi --lock-gpu-clocks=MIN,MAX`",
    Cause.SWAPPED: "memory was swapped in: free memory, or turn swap off with `sudo swapoff -a`",
    Cause.MAJOR_FAULTS: "pages had to be read from the disk: free memory, so that data and programs stay cached",
    Cause.GOVERNOR: "the CPU governor was not performance: set it with `sudo cpupower frequency-set -g performance`",
    Cause.CLOCK: "the CPU clock moved: fix it with `sudo cpupower frequency-set -d FREQUENCY -u FREQUENCY`, "
    "and turn its boost off",
    Cause.SPEED: "the CPU was not equally fast before and after: fix its clock, let it cool, and leave no core's other "
    "hardware thread to a neighbour",
    Cause.PRESSURE: "threads waited for a CPU: stop other programs, or use no more threads and workers than CPUs",
    Cause.SWITCHES: "threads lost their CPU: stop other programs, or use no more threads and workers than CPUs",
}


def needed(cases: Iterable[CaseResult]) -> list[str]:
    """The advice from all replicates whose comparisons stayed open or were disturbed."""
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
    """Sentences on what to change before measuring again, the gravest first; empty where nothing was seen."""
    measured = [record for record in records if record.status is Status.OK]
    hits: dict[Cause, int] = defaultdict(int)
    for record in measured:
        for cause in {signal.cause for signal in signals(record)}:
            hits[cause] += 1
    found = [f"In {hits[cause]} of {len(measured)} replicates {REMEDIES[cause]}." for cause in Cause if hits[cause]]
    spread = _widest_spread(measured)
    if spread > PROCESS_SPREAD and not found:
        found.append(
            f"Processes of one program differ by {percent(spread)} though no counter shows why: run more blocks "
            "(`BLOCKS=`), on cores of their own (`--cpus`) that the kernel keeps free of others (`isolcpus=`)."
        )
    return found


def _widest_spread(records: list[Record]) -> float:
    """The largest coefficient of variation between the processes of one competitor in one case."""
    sides = defaultdict(list)
    for record in records:
        sides[record.run_id, record.case, record.competitor, hardware(record)].append(
            math.log(computed(record).seconds)
        )
    return max((statistics.stdev(logs) for logs in sides.values() if len(logs) > 1), default=0.0)
