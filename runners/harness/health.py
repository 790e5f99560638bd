"""Counters of the machine around the timed window: was it ours, and was it quiet?"""

import dataclasses
import os
import resource
from dataclasses import dataclass

from runners.harness import product
from runners.harness.clock import now_ns
from runners.harness.proc import fields, read_int, read_text
from runners.harness.record import Health
from runners.harness.resources import TICKS


@dataclass(frozen=True)
class Reading:
    """The counters at one moment; None where the kernel does not show one."""

    at_ns: int
    load1: float | None
    cpu_ticks: tuple[int, int, int] | None
    pressure_us: int | None
    throttled: int | None
    involuntary: int
    voluntary: int
    major_faults: int
    threads: int | None
    product_ns: int = 0
    on_gpu: bool = False


def opening(device: str) -> Reading:
    """The reading before a timed window: the fixed product first, the counters last, so that they span the window."""
    product_ns = product.fastest_ns()
    return dataclasses.replace(_counters(), product_ns=product_ns, on_gpu=device == "gpu")


def closing(device: str) -> Reading:
    """The reading after a timed window: the counters at once, then the fixed product."""
    counters = _counters()
    return dataclasses.replace(counters, product_ns=product.fastest_ns(), on_gpu=device == "gpu")


def _counters() -> Reading:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return Reading(
        at_ns=now_ns(),
        load1=_load1(),
        cpu_ticks=_cpu_ticks(),
        pressure_us=_pressure_us(),
        throttled=_throttled(),
        involuntary=own.ru_nivcsw + children.ru_nivcsw,
        voluntary=own.ru_nvcsw + children.ru_nvcsw,
        major_faults=own.ru_majflt + children.ru_majflt,
        threads=_threads(),
    )


def health(before: Reading, after: Reading, cpu_seconds: float) -> tuple[Health, dict[str, str]]:
    """The record's health between two readings, and the reasons for what is unknown.

    `cpu_seconds` is what this process and its children used of the CPUs meanwhile.
    """
    window_ns = after.at_ns - before.at_ns
    found = Health(
        load1_before=before.load1,
        load1_after=after.load1,
        steal_fraction=_steal(before, after),
        pressure_some_fraction=_pressure(before, after),
        throttled_periods=_difference(before.throttled, after.throttled),
        involuntary_switches=after.involuntary - before.involuntary,
        voluntary_switches=after.voluntary - before.voluntary,
        major_faults=after.major_faults - before.major_faults,
        temperature_c_after=_temperature(),
        window_ns=window_ns,
        threads=after.threads,
        others_cpu_fraction=_others(before, after, cpu_seconds),
        product_ns_before=before.product_ns,
        product_ns_after=after.product_ns,
    )
    unknown = {
        f"health.{name}": reason
        for name, reason in {
            "load1_before": "no load average",
            "load1_after": "no load average",
            "steal_fraction": "the kernel counts no CPU time",
            "pressure_some_fraction": "the kernel has no pressure stall information",
            "throttled_periods": "the control group counts no throttling",
            "temperature_c_after": "no readable temperature",
            "others_cpu_fraction": "the kernel counts no CPU time",
            "threads": "the kernel does not count threads",
        }.items()
        if getattr(found, name) is None
    }
    return found, unknown


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _pressure(before: Reading, after: Reading) -> float | None:
    stalled = _difference(before.pressure_us, after.pressure_us)
    return None if stalled is None else stalled * 1000 / (after.at_ns - before.at_ns)


def _steal(before: Reading, after: Reading) -> float | None:
    if before.cpu_ticks is None or after.cpu_ticks is None:
        return None
    total = after.cpu_ticks[0] - before.cpu_ticks[0]
    return (after.cpu_ticks[1] - before.cpu_ticks[1]) / total if total > 0 else 0.0


def _others(before: Reading, after: Reading, cpu_seconds: float) -> float | None:
    if before.cpu_ticks is None or after.cpu_ticks is None:
        return None
    total, _, busy = (late - early for early, late in zip(before.cpu_ticks, after.cpu_ticks, strict=True))
    return max(0.0, busy - cpu_seconds * TICKS) / total if total > 0 else 0.0


def _load1() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _cpu_ticks() -> tuple[int, int, int] | None:
    """(all, stolen, busy) ticks of all CPUs; guest time is already in user time and is not added again."""
    line = (read_text("/proc/stat") or "").partition("\n")[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None
    ticks = [int(value) for value in line[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks), ticks[7], sum(ticks) - ticks[7] - idle


def _pressure_us() -> int | None:
    for line in (read_text("/proc/pressure/cpu") or "").splitlines():
        if line.startswith("some"):
            return int(line.rpartition("total=")[2])
    return None


def _throttled() -> int | None:
    for path in ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat"):
        value = fields(path).get("nr_throttled")
        if value is not None:
            return int(value)
    return None


def _threads() -> int | None:
    value = fields("/proc/self/status").get("Threads")
    return int(value) if value is not None else None


def _temperature() -> float | None:
    value = read_int("/sys/class/thermal/thermal_zone0/temp")
    return None if value is None else value / 1000
