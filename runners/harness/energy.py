"""The energy that the CPU packages and the GPU counted during the timed window.

The kernel shows the CPU's counters (RAPL of Intel and of AMD) in /sys/class/powercap, NVIDIA's driver its own in NVML.
Both count whatever the hardware did: another program's work is in them, and so is the power of an idle machine.
"""

import ctypes
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runners.harness import nvidia
from runners.harness.proc import read_int, read_text

POWERCAP = Path("/sys/class/powercap")
PACKAGE = re.compile(r"intel-rapl:\d+")
"""Zones with counters of their own. AMD's have this name too; `intel-rapl-mmio` shows the same counters once more."""
NVML = "libnvidia-ml.so.1"
FOLLOW_SECONDS = 30.0
"""The counters of an AMD server wrap round after 65 kJ: after two minutes at 500 W."""
READABLE = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
"""Lets every user read the counters. They are locked because they tell what other programs compute (CVE-2020-8694)."""
CPU_FIELD, GPU_FIELD = "resources.energy_joules", "resources.gpu_energy_joules"


@dataclass(frozen=True)
class Energy:
    """The energy of the window in joules, the names of the CPU's counters, and a reason for each unknown value."""

    cpu: float | None
    gpu: float | None
    counters: list[str]
    unknown: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Zone:
    """A counter of the CPU that counts nothing which another zone counts too."""

    name: str
    folder: Path

    def read(self) -> int | None:
        """The counter, in microjoules."""
        return read_int(str(self.folder / "energy_uj"))

    @property
    def locked(self) -> bool:
        """Whether this process may not read the counter."""
        return not os.access(self.folder / "energy_uj", os.R_OK)

    def consumed(self, before: int, after: int) -> int | None:
        """The microjoules between two readings, or None if the counter wrapped round and its range is unknown."""
        if after >= before:
            return after - before
        highest = read_int(str(self.folder / "max_energy_range_uj"))
        return None if highest is None or highest < before else after - before + highest


class Meter:
    """Counts energy from `start` to `stop`. If it is never stopped, it ends with the process.

    A thread of its own reads the CPU's counters every half a minute, because they wrap round within minutes and do not
    tell how often. Within a shorter window, and on a machine without readable counters, nothing is read in between.
    """

    def __init__(
        self,
        device: str,
        powercap: Path = POWERCAP,
        load: Callable[[str], Any] = ctypes.CDLL,
        every: float = FOLLOW_SECONDS,
    ) -> None:
        """Find the counters. This loads the GPU's library, which takes a while: call it before anything is timed."""
        self._zones, self._no_zones = zones(powercap)
        self._read_gpu, self._no_gpu = _gpu_counter(load) if device == "gpu" else (None, "no GPU was requested")
        self._every, self._stopped = every, threading.Event()
        self._thread = threading.Thread(target=self._follow, name="energy", daemon=True)
        self._last: list[int | None] = []
        self._total: list[int | None] = [0] * len(self._zones)
        self._gpu_began: int | None = None

    def start(self) -> None:
        """Begin the window."""
        self._gpu_began = self._read_gpu() if self._read_gpu else None
        self._last = [zone.read() for zone in self._zones]
        if self._zones:
            self._thread.start()

    def stop(self) -> Energy:
        """End the window."""
        self._stopped.set()
        if self._zones:
            self._thread.join()
        self._add()
        gpu_ended = self._read_gpu() if self._read_gpu else None
        unknown = {}
        known = [total for total in self._total if total is not None]
        cpu = sum(known) / 1e6 if len(known) == len(self._zones) else None
        if not cpu:
            cpu, unknown[CPU_FIELD] = None, self._no_zones or "an energy counter stood still, or could not be followed"
        began, gpu = self._gpu_began, None
        if began is not None and gpu_ended is not None and gpu_ended > began:
            gpu = (gpu_ended - began) / 1e3
        else:
            unknown[GPU_FIELD] = self._no_gpu or "the GPU's energy counter stood still, or could not be followed"
        return Energy(cpu, gpu, [zone.name for zone in self._zones] if cpu else [], unknown)

    def _follow(self) -> None:
        while not self._stopped.wait(self._every):
            self._add()

    def _add(self) -> None:
        """Add what each counter counted since it was last read."""
        for number, zone in enumerate(self._zones):
            before, after, total = self._last[number], zone.read(), self._total[number]
            more = None if before is None or after is None else zone.consumed(before, after)
            self._last[number] = after
            self._total[number] = None if more is None or total is None else total + more


def zones(powercap: Path = POWERCAP) -> tuple[list[Zone], str]:
    """The CPU's counters that can be summed, and the reason if there are none.

    These are the packages, and the memory that a package has a counter for: a package's own counter has its cores and
    its graphics in it, but not the memory. `psys` counts the machine, and with it the packages once more.
    """
    try:
        names = sorted(os.listdir(powercap))
    except OSError:
        names = []
    folders = [powercap / name for name in names if PACKAGE.fullmatch(name)]
    if not folders:
        return [], "the kernel shows no energy counter of the CPU; virtual machines have none"
    if not any(folder.exists() for folder in folders):
        return [], "the container hides the CPU's energy counters, as Docker does by default"
    found = []
    for folder in folders:
        package = read_text(str(folder / "name")) or ""
        if package.startswith("package"):
            found.append(Zone(package, folder))
            below = sorted(folder.glob(f"{folder.name}:*"))
            found += [Zone(f"{package} dram", part) for part in below if read_text(str(part / "name")) == "dram"]
    if not found:
        return [], "the kernel shows no energy counter of a CPU package"
    if any(zone.locked for zone in found):
        return [], f"only root may read the CPU's energy counters; until the next boot, everyone may after {READABLE}"
    return found, ""


def _gpu_counter(load: Callable[[str], Any]) -> tuple[Callable[[], int | None] | None, str]:
    """A function that reads the millijoules of this process's GPU, and the reason if it is None.

    `nvidia-smi` does not show this counter.
    """
    try:
        nvml = load(NVML)
        handle, current = ctypes.c_void_p(), nvidia.current()
        gpu = current.card if current else "0"
        failed = nvml.nvmlInit_v2()
        if gpu.isdecimal():
            failed = failed or nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(int(gpu)), ctypes.byref(handle))
        else:
            failed = failed or nvml.nvmlDeviceGetHandleByUUID(gpu.encode(), ctypes.byref(handle))
        count = nvml.nvmlDeviceGetTotalEnergyConsumption
    except OSError:
        return None, f"the NVIDIA driver's {NVML} cannot be loaded"
    except AttributeError:
        return None, "the NVIDIA driver is too old to count energy"

    def read() -> int | None:
        millijoules = ctypes.c_ulonglong()
        return None if count(handle, ctypes.byref(millijoules)) else millijoules.value

    if failed:
        return None, f"the NVIDIA driver does not give access to GPU {gpu} (NVML error {failed})"
    if read() is None:
        return None, "this GPU counts no energy, or the driver does not show it"
    return read, ""
