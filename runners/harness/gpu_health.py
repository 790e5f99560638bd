"""What limited the GPU's clock around the timed window, and who else computed on the GPU, as NVIDIA's driver reports.

`nvidia-smi` comes with every driver. It is called before and after the window, never within it. New drivers count the
microseconds for which each limit held the clock back, so nothing is missed. Older drivers report only the limits of the
moment, when the GPU is already idle: heat still shows then, a power cap hardly ever.
"""

from dataclasses import dataclass

from runners.harness import nvidia
from runners.harness.rank import processes

TIMEOUT_SECONDS = 5.0
LIMITS = {
    0x04: "sw_power_cap",
    0x08: "hw_slowdown",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
}
"""Bits of the driver's clock event reasons (nvml.h, nvmlClocksEventReason*), without idling and user-set clocks."""

COUNTED = ("sw_power_cap", "sw_thermal_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown")
COUNTERS = [f"clocks_event_reasons_counters.{name}" for name in COUNTED]
QUERIES = (
    ["temperature.gpu", "clocks_event_reasons.active", *COUNTERS],
    ["temperature.gpu", "clocks_event_reasons.active"],
    ["temperature.gpu", "clocks_throttle_reasons.active"],
)
"""Queries, for the newest drivers first: a driver refuses a query that contains an unknown field."""


@dataclass(frozen=True)
class GpuReading:
    """The GPU at one moment.

    `active` are the limits in force, `limited_us` the microseconds of each limit in COUNTED, `process_bytes` the GPU
    memory that this process tree holds. `unknown` gives the reason for any None.
    """

    active: frozenset[str] | None = None
    limited_us: tuple[int | None, ...] = ()
    processes: int | None = None
    temperature_c: float | None = None
    process_bytes: int | None = None
    unknown: str = "nvidia-smi does not say"


def read(device: str) -> GpuReading:
    """Read the GPU of this process."""
    if device != "gpu":
        return GpuReading(unknown="no GPU was requested")
    gpu = nvidia.current()
    card = gpu.card if gpu else "0"
    try:
        values = next((values for query in QUERIES if (values := _values(query, card))), None)
        if values is None:
            return GpuReading(unknown="nvidia-smi answered in an unknown format")
        # The driver lists the processes of a whole GPU; whose part of it they use is not told.
        holders = None if gpu and gpu.is_part else _holders(card)
        return GpuReading(
            _active(values[1]),
            tuple(map(_whole, values[2:])),
            _processes(holders),
            _whole(values[0]),
            _process_bytes(holders),
        )
    except nvidia.NoAnswer as error:
        return GpuReading(unknown=str(error))


def between(before: GpuReading, after: GpuReading) -> tuple[list[str] | None, int | None, str]:
    """(limits that held the clock back, largest number of processes, reason if one of the two is None)."""
    why = after.unknown if after.active is None or after.processes is None else before.unknown
    limits = None
    if before.active is not None and after.active is not None:
        pairs = zip(COUNTED, before.limited_us, after.limited_us, strict=False)
        grown = {name for name, early, late in pairs if early is not None and late is not None and late > early}
        limits = sorted(before.active | after.active | grown)
    counts = before.processes, after.processes
    return limits, None if counts[0] is None or counts[1] is None else max(counts[0], counts[1]), why


def _ask(question: str, card: str) -> list[str] | None:
    """The lines of nvidia-smi's answer, or None if it refused the question."""
    try:
        return nvidia.ask(f"--id={card}", question, "--format=csv,noheader,nounits", timeout=TIMEOUT_SECONDS)
    except nvidia.Refused:
        return None


def _values(query: list[str], card: str) -> list[str] | None:
    lines = _ask(f"--query-gpu={','.join(query)}", card)
    values = [value.strip() for value in lines[0].split(",")] if lines else []
    return values if len(values) == len(query) else None


def _active(mask: str) -> frozenset[str] | None:
    try:
        bits = int(mask, 16)
    except ValueError:
        return None
    return frozenset(name for bit, name in LIMITS.items() if bits & bit)


def _holders(card: str) -> list[tuple[int, int | None]] | None:
    """(process id, bytes of GPU memory) of each process that computes on the GPU; None if the answer is unusable."""
    lines = _ask("--query-compute-apps=pid,used_memory", card)
    if lines is None:
        return None
    pairs = [line.partition(",")[::2] for line in lines]
    if not all(pid.strip().isdecimal() for pid, _ in pairs):
        return None
    held = [(int(pid), _whole(memory.strip())) for pid, memory in pairs]
    return [(pid, None if mebibytes is None else mebibytes * 2**20) for pid, mebibytes in held]


def _processes(holders: list[tuple[int, int | None]] | None) -> int | None:
    """How many processes compute on the GPU, with this process tree counted as one.

    In a container the driver reports the process ids of the machine outside, or none at all, so an unknown id may be
    our own. Only the number counts: more than one means that another program uses the GPU.
    """
    if holders is None:
        return None
    seen = {pid for pid, _ in holders}
    own = set(processes())
    # 0 would be wrong, because this process itself computes on the GPU: then the number is unknown.
    return len(seen - own) + bool(seen & own) or None


def _process_bytes(holders: list[tuple[int, int | None]] | None) -> int | None:
    """The GPU memory of this process tree. If no process id is ours, the memory of the only process on the GPU."""
    own = set(processes())
    mine = [held for pid, held in holders or [] if pid in own] or [held for _, held in holders or []]
    known = [held for held in mine if held is not None]
    alone = _processes(holders) == 1 or any(pid in own for pid, _ in holders or [])
    return sum(known) if known and alone else None


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
