"""The machine around the timed window: was it quiet, and did its speed change?

The load average is recorded, but no rule uses it: it covers the last minute, so it is full of our previous replicate.
The rules use the CPU time of other processes within the window. In a container this covers the whole machine, unless
the container has a /proc of its own, which shows no other processes.
"""

from dataclasses import dataclass

from runners.harness import gpu_health, product
from runners.harness.counters import Counters, CpuTicks, clock_mhz, counters, huge_page_fraction, temperature
from runners.harness.gpu_health import GpuReading
from runners.harness.record import Health, unknown
from runners.harness.resources import TICKS


@dataclass(frozen=True)
class Reading:
    """The machine at the start or the end of the window."""

    counters: Counters
    product_ns: int | None
    clock_mhz: float | None
    gpu: GpuReading
    huge_page_fraction: float | None = None


def opening(device: str) -> Reading:
    """The reading before a timed window. The counters come last, so that nothing but the window lies between them."""
    gpu = gpu_health.read(device)
    product_ns, mhz = product.fastest_ns(), clock_mhz()
    return Reading(counters(), product_ns, mhz, gpu)


def closing(device: str) -> Reading:
    """The reading after a timed window: the counters at once, then the GPU before it cools down, then the rest."""
    counted, huge = counters(), huge_page_fraction()
    gpu = gpu_health.read(device)
    product_ns, mhz = product.fastest_ns(), clock_mhz()
    return Reading(counted, product_ns, mhz, gpu, huge)


def health(before: Reading, after: Reading, cpu_seconds: float) -> tuple[Health, dict[str, str]]:
    """The record's health between two readings, and a reason for each unknown value.

    `cpu_seconds` is the CPU time of this process and its children between the readings.
    """
    early, late = before.counters, after.counters
    window_ns = late.at_ns - early.at_ns
    stalled_us = _difference(early.pressure_us, late.pressure_us)
    cpu = _ticks(early.cpu, late.cpu)
    clocks = [mhz for mhz in (before.clock_mhz, after.clock_mhz) if mhz is not None]
    gpu_limits, gpu_processes, gpu_unknown = gpu_health.between(before.gpu, after.gpu)
    found = Health(
        load1_before=early.load1,
        load1_after=late.load1,
        steal_fraction=cpu.stolen / cpu.total if cpu else None,
        # The kernel counts a stall when it ends, so a short window may get the time of an earlier stall too.
        pressure_some_fraction=None if stalled_us is None else min(1.0, stalled_us * 1000 / window_ns),
        throttled_periods=_difference(early.throttled, late.throttled),
        involuntary_switches=late.involuntary - early.involuntary,
        voluntary_switches=late.voluntary - early.voluntary,
        major_faults=late.major_faults - early.major_faults,
        temperature_c_after=temperature(),
        window_ns=window_ns,
        threads=late.threads,
        swapped_in_pages=_difference(early.swapped_in, late.swapped_in),
        others_cpu_fraction=max(0.0, cpu.busy - cpu_seconds * TICKS) / cpu.total if cpu else None,
        product_ns_before=before.product_ns,
        product_ns_after=after.product_ns,
        mhz_low=min(clocks, default=None),
        mhz_high=max(clocks, default=None),
        gpu_limits=gpu_limits,
        gpu_processes=gpu_processes,
        gpu_temperature_c=after.gpu.temperature_c,
        minor_faults=late.minor_faults - early.minor_faults,
        huge_page_fraction=after.huge_page_fraction,
    )
    reasons = {**REASONS, **dict.fromkeys(("gpu_limits", "gpu_processes", "gpu_temperature_c"), gpu_unknown)}
    return found, unknown("health", found, reasons)


REASONS = {
    "load1_before": "no load average",
    "load1_after": "no load average",
    "steal_fraction": "the kernel counts no CPU time, or counted backwards",
    "pressure_some_fraction": "the kernel has no pressure stall information",
    "throttled_periods": "the control group counts no throttling",
    "temperature_c_after": "no readable temperature",
    "threads": "the kernel does not count threads",
    "swapped_in_pages": "the kernel does not count pages swapped in",
    "others_cpu_fraction": "the kernel counts no CPU time, or counted backwards",
    "product_ns_before": "this process's own threads did not come to rest",
    "product_ns_after": "this process's own threads did not come to rest",
    "huge_page_fraction": "the kernel does not show which memory lies in huge pages",
    "mhz_low": "the kernel shows no CPU clock",
    "mhz_high": "the kernel shows no CPU clock",
}


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _ticks(before: CpuTicks | None, after: CpuTicks | None) -> CpuTicks | None:
    """The ticks between two readings, or None if they cannot be known."""
    if before is None or after is None or after.total <= before.total or after.stolen < before.stolen:
        return None  # counters go back when a virtual machine moves to another host
    return CpuTicks(after.total - before.total, after.busy - before.busy, after.stolen - before.stolen)
