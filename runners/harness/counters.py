"""The kernel's counters at one moment: CPU time, pressure, throttling, context switches, page faults, clocks."""

import os
import resource
from dataclasses import dataclass

from runners.harness.clock import now_ns
from runners.harness.proc import control_groups, fields, read_int, read_text
from runners.harness.rank import cpus as cpus_of_replicate


@dataclass(frozen=True)
class CpuTicks:
    """Ticks of the CPUs that the replicate may use: all ticks, ticks at work, and ticks that the VM's host took."""

    total: int
    busy: int
    stolen: int


@dataclass(frozen=True)
class Counters:
    """The counters at one moment. A counter that the kernel does not show is None."""

    at_ns: int
    load1: float | None
    cpu: CpuTicks | None
    pressure_us: int | None
    throttled: int | None
    swapped_in: int | None
    involuntary: int
    voluntary: int
    major_faults: int
    minor_faults: int
    threads: int | None


def counters() -> Counters:
    """Read all counters, in a fraction of a millisecond."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return Counters(
        at_ns=now_ns(),
        load1=_load1(),
        cpu=_cpu_ticks(),
        pressure_us=_pressure_us(),
        throttled=_throttled(),
        swapped_in=_whole(fields("/proc/vmstat").get("pswpin")),
        involuntary=own.ru_nivcsw + children.ru_nivcsw,
        voluntary=own.ru_nvcsw + children.ru_nvcsw,
        major_faults=own.ru_majflt + children.ru_majflt,
        minor_faults=own.ru_minflt + children.ru_minflt,
        threads=_whole(fields("/proc/self/status").get("Threads")),
    )


def huge_page_fraction() -> float | None:
    """The share of this process's anonymous memory that lies in huge pages."""
    found = fields("/proc/self/smaps_rollup")
    kilobytes = [_whole(found.get(name, "").removesuffix(" kB").strip()) for name in ("AnonHugePages", "Anonymous")]
    huge, all_of_it = kilobytes
    return huge / all_of_it if huge is not None and all_of_it else None


def temperature() -> float | None:
    """The temperature of the first thermal zone in °C."""
    value = read_int("/sys/class/thermal/thermal_zone0/temp")
    return None if value is None else value / 1000


def clock_mhz() -> float | None:
    """The clock of the fastest CPU that the replicate may use, in MHz.

    An idle CPU may show any clock; the fastest CPU is likely to be busy.
    """
    cpus = cpus_of_replicate()
    khz = [read_int(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq") for cpu in cpus]
    clocks = [value / 1000 for value in khz if value] or _clocks_of_cpuinfo(cpus)
    return max(clocks, default=None)


def _clocks_of_cpuinfo(cpus: set[int]) -> list[float]:
    clocks, cpu = [], -1
    for line in (read_text("/proc/cpuinfo") or "").splitlines():
        name, _, value = (part.strip() for part in line.partition(":"))
        try:
            if name == "processor":
                cpu = int(value)
            elif name == "cpu MHz" and cpu in cpus and float(value) > 0:
                clocks.append(float(value))
        except ValueError:
            continue
    return clocks


def _load1() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _cpu_ticks() -> CpuTicks | None:
    """The ticks of the CPUs that this process may use. On a large machine the other CPUs would hide a disturbance.

    Guest time is part of user time already.
    """
    names = {f"cpu{cpu}" for cpu in cpus_of_replicate()}
    lines = [line.split() for line in (read_text("/proc/stat") or "").splitlines()]
    ours = [[int(value) for value in words[1:9]] for words in lines if len(words) >= 9 and words[0] in names]
    if len(ours) < len(names):
        return None
    user, nice, system, idle, waiting, irq, softirq, stolen = (sum(column) for column in zip(*ours, strict=True))
    busy = user + nice + system + irq + softirq
    return CpuTicks(busy + idle + waiting + stolen, busy, stolen)


def _pressure_us() -> int | None:
    for line in (read_text("/proc/pressure/cpu") or "").splitlines():
        if line.startswith("some"):
            return _whole(line.rpartition("total=")[2])
    return None


def _throttled() -> int | None:
    """Throttled periods of this process's control group and of all groups above it: each may have a quota."""
    counts = [_whole(fields(str(group / "cpu.stat")).get("nr_throttled")) for group in control_groups()]
    known = [number for number in counts if number is not None]
    return sum(known) if known else _whole(fields("/sys/fs/cgroup/cpu/cpu.stat").get("nr_throttled"))


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
