"""The resources of a replicate: memory peaks and CPU time of the process tree."""

import contextlib
import ctypes
import os
from pathlib import Path

from runners.harness.energy import Energy
from runners.harness.proc import fields, read_int, read_text
from runners.harness.rank import processes
from runners.harness.record import Resources, provenance, unknown

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_ticks() -> int:
    """The CPU ticks of the replicate's processes up to now, including their ended children."""
    ticks = 0
    for pid in processes():
        stat = read_text(f"/proc/{pid}/stat")
        if stat:
            ticks += sum(int(value) for value in stat.rpartition(")")[2].split()[11:15])
    return ticks


def reset_peak() -> None:
    """Restart this process's memory peak at what it holds now. If the kernel refuses, the peak includes set-up.

    First the C library returns freed memory to the kernel: it keeps some, half as much as a small network holds.
    """
    with contextlib.suppress(OSError, AttributeError):  # other C libraries than glibc have no such call
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_rss_bytes() -> int:
    """The sum of the peaks (VmHWM) of all processes of the replicate: an upper bound of what they held at one time."""
    return sum(int(fields(f"/proc/{pid}/status").get("VmHWM", "0 kB").split()[0]) * 1024 for pid in processes())


def cgroup_peak_bytes() -> int | None:
    """The container's peak, including page cache; None outside a container, where other programs share the group."""
    if provenance().get("engine") != "docker":
        return None
    version_2 = read_int("/sys/fs/cgroup/memory.peak")
    return version_2 if version_2 is not None else read_int("/sys/fs/cgroup/memory/memory.max_usage_in_bytes")


def resources(
    ticks: int,
    energy: Energy,
    rss_peak: int,
    gpu_peaks: tuple[int | None, int | None],
    gpu_process: int | None = None,
) -> tuple[Resources, dict[str, str]]:
    """The record's resources for the timed window, and a reason for each unknown value.

    `ticks` of CPU time and `energy` were spent in the window. `gpu_peaks` are the allocator's peaks (allocated,
    reserved), `gpu_process` is the GPU memory that the process held at the window's end, all in bytes. The process's
    peak is at least its allocator's: in PyTorch, cuDNN's autotuning took 2.7 GiB, of which 1.4 GiB were left at the
    end.
    """
    allocated, reserved = gpu_peaks
    used = Resources(
        rss_peak_bytes=rss_peak,
        cgroup_peak_bytes=cgroup_peak_bytes(),
        gpu_allocated_peak_bytes=allocated,
        gpu_reserved_peak_bytes=reserved,
        gpu_process_peak_bytes=None if gpu_process is None else max(gpu_process, allocated or 0, reserved or 0),
        cpu_seconds=ticks / TICKS,
        energy_joules=energy.cpu,
        gpu_energy_joules=energy.gpu,
        energy_counters=energy.counters,
    )
    return used, {**energy.unknown, **unknown("resources", used, REASONS)}


REASONS = {
    "cgroup_peak_bytes": "not in a container of its own, or its group reports no peak",
    "gpu_allocated_peak_bytes": "no GPU in use, or its allocator reports no peak",
    "gpu_reserved_peak_bytes": "no GPU in use, or its allocator reports no peak",
    "gpu_process_peak_bytes": "no GPU in use, or its driver does not report the memory of this process",
}
