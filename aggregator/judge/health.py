"""Was the machine quiet while a replicate ran? Thresholds over the counters in its record.

The load average is no signal, because this project's previous replicate raises it. The CPU time of other processes is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from aggregator.base.quantities import percent
from runners.harness.record import Health, Record

PROCESS_SPREAD = 0.10
"""Above this coefficient of variation between its processes, a side is reported as scattered."""

OWN = "(its own threads included)"
POWER_CAP = "sw_power_cap"


class Cause(Enum):
    """What disturbed a replicate, the gravest first."""

    GPU_SHARED = auto()
    GPU_SLOWED = auto()
    THROTTLED = auto()
    STEAL = auto()
    OTHERS = auto()
    GPU_POWER = auto()
    SWAPPED = auto()
    MAJOR_FAULTS = auto()
    GOVERNOR = auto()
    CLOCK = auto()
    SPEED = auto()
    PRESSURE = auto()
    SWITCHES = auto()


@dataclass(frozen=True)
class Signal:
    """One counter past its threshold; `gate` means that the replicate ran in other conditions, so that it cannot count.

    A signal that only adds noise is no gate: the noise widens the interval over blocks by itself.
    """

    cause: Cause
    kind: str
    gate: bool
    value: float
    shown: str


def signals(record: Record) -> Iterator[Signal]:
    """Every counter of `record` past its threshold."""
    health, host = record.health, record.host
    if host and host.governor not in (None, "performance"):
        yield Signal(Cause.GOVERNOR, f"CPU governor is {host.governor}, not performance", False, 0.0, "")
    if health is not None:
        yield from _cpu_time(health)
        yield from _memory(health)
        yield from _speed(health)
        yield from _gpu(health)
    switches = _switches_per_second(record)
    if switches is not None and switches > 50:
        kind = f"involuntary context switches above 50/s a thread {OWN}"
        yield Signal(Cause.SWITCHES, kind, False, switches, f"{switches:.0f}/s")


def _cpu_time(health: Health) -> Iterator[Signal]:
    stolen, waited, others = health.steal_fraction, health.pressure_some_fraction, health.others_cpu_fraction
    if stolen is not None and stolen > 0.01:
        yield Signal(Cause.STEAL, "CPU steal above 1 %", False, stolen, percent(stolen, 1))
    if waited is not None and waited > 0.10:
        kind = f"threads waited for a CPU more than 10 % of the time {OWN}"
        yield Signal(Cause.PRESSURE, kind, False, waited, percent(waited))
    if others is not None and others > 0.05:
        kind = "other processes used more than 5 % of the time of its CPUs"
        yield Signal(Cause.OTHERS, kind, False, others, percent(others))
    if health.throttled_periods:
        shown = f"{health.throttled_periods} periods"
        yield Signal(Cause.THROTTLED, "throttled by its CPU quota", True, health.throttled_periods, shown)


def _memory(health: Health) -> Iterator[Signal]:
    if health.major_faults:
        yield Signal(Cause.MAJOR_FAULTS, "major page faults", False, health.major_faults, str(health.major_faults))
    if health.swapped_in_pages:
        shown = f"{health.swapped_in_pages} pages"
        yield Signal(Cause.SWAPPED, "memory was swapped in", False, health.swapped_in_pages, shown)


def _speed(health: Health) -> Iterator[Signal]:
    clock = _apart(health.mhz_low, health.mhz_high)
    if clock > 0.10:
        kind = "the CPU clock changed by more than 10 % during the replicate"
        yield Signal(Cause.CLOCK, kind, False, clock, percent(clock))
    product = _apart(health.product_ns_before, health.product_ns_after)
    if product > 0.05:
        kind = "the time of a fixed matrix product changed by more than 5 % during the replicate"
        yield Signal(Cause.SPEED, kind, False, product, percent(product))


def _gpu(health: Health) -> Iterator[Signal]:
    limits = set(health.gpu_limits or ())
    if POWER_CAP in limits:
        yield Signal(Cause.GPU_POWER, "the GPU was held at its power limit", False, 0.0, "")
    if limits - {POWER_CAP}:
        yield Signal(Cause.GPU_SLOWED, "the GPU was slowed down by heat or by its hardware", True, 0.0, "")
    if health.gpu_processes is not None and health.gpu_processes > 1:
        shown = f"{health.gpu_processes} processes"
        yield Signal(Cause.GPU_SHARED, "another process computed on the GPU", True, health.gpu_processes, shown)


def _apart(one: float | None, other: float | None) -> float:
    """By how much the larger exceeds the smaller; 0 if one of them is unknown."""
    if not one or not other or min(one, other) <= 0:
        return 0.0
    return max(one, other) / min(one, other) - 1


def _switches_per_second(record: Record) -> float | None:
    health = record.health
    if health is None or health.involuntary_switches is None or health.window_ns <= 0:
        return None
    threads = max(1, health.threads or (record.effective and record.effective.threads_intra) or 1)
    return health.involuntary_switches / (health.window_ns / 1e9) / threads


def summary(records: list[Record]) -> list[tuple[bool, str]]:
    """(gate, sentence) for each kind of signal over one side's replicates, gates first."""
    found: dict[tuple[bool, str], list[Signal]] = {}
    for record in records:
        for signal in signals(record):
            found.setdefault((not signal.gate, signal.kind), []).append(signal)
    lines = []
    for (quiet, kind), hits in sorted(found.items()):
        worst = max(hits, key=lambda signal: signal.value).shown
        lines.append(
            (
                not quiet,
                f"{kind} in {len(hits)} of {len(records)} replicates" + (f", at worst {worst}" if worst else ""),
            )
        )
    return lines
