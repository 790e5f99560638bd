"""Was the machine quiet while a replicate ran? Thresholds over the counters in its record."""

from collections.abc import Iterator
from dataclasses import dataclass

from aggregator.quantities import percent
from runners.harness.record import Record

PROCESS_SPREAD = 0.10
"""Coefficient of variation between processes above which a side is called scattered."""

OWN = "(its own threads included)"


@dataclass(frozen=True)
class Signal:
    """One counter past its threshold; `gate` means that no winner may be named from this replicate.

    Pressure and involuntary switches are never a gate: a framework that starts more threads than it has CPUs raises
    both on an idle machine.
    """

    kind: str
    gate: bool
    value: float
    shown: str


def signals(record: Record) -> Iterator[Signal]:
    """Every counter of `record` past its threshold."""
    health, host = record.health, record.host
    if host and host.governor not in (None, "performance"):
        yield Signal(f"CPU governor is {host.governor}, not performance", False, 0.0, "")
    if health is None:
        return
    if health.steal_fraction is not None and health.steal_fraction > 0.01:
        gate = health.steal_fraction > 0.05
        limit = "5 %" if gate else "1 %"
        yield Signal(f"CPU steal above {limit}", gate, health.steal_fraction, percent(health.steal_fraction, 1))
    if health.pressure_some_fraction is not None and health.pressure_some_fraction > 0.10:
        waited = health.pressure_some_fraction
        yield Signal(f"threads waited for a CPU more than 10 % of the time {OWN}", False, waited, percent(waited))
    if health.throttled_periods:
        yield Signal(
            "throttled by its CPU quota", True, health.throttled_periods, f"{health.throttled_periods} periods"
        )
    if health.major_faults:
        yield Signal("major page faults", False, health.major_faults, str(health.major_faults))
    switches = _switches_per_second(record)
    if switches is not None and switches > 50:
        yield Signal(f"involuntary context switches above 50/s a thread {OWN}", False, switches, f"{switches:.0f}/s")


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
