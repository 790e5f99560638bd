"""What NVIDIA's driver says of the GPU around the timed window: what held its clock back, and who else computes on it.

Asked through `nvidia-smi`, which comes with every driver, on either side of the window and never within it. New drivers
count the microseconds for which a limit held the clock back, so that nothing is missed; older ones only tell what does
so at the moment, by then of a GPU that has nothing to do: heat is still seen there, a power cap hardly ever.
"""

import os
import subprocess
from dataclasses import dataclass

from runners.harness.proc import process_tree

TIMEOUT_SECONDS = 5.0
LIMITS = {
    0x04: "sw_power_cap",
    0x08: "hw_slowdown",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
}
"""Bits of the driver's clock event reasons (nvml.h, nvmlClocksEventReason*); idling and chosen clocks are no limits."""

COUNTED = ("sw_power_cap", "sw_thermal_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown")
COUNTERS = [f"clocks_event_reasons_counters.{name}" for name in COUNTED]
QUERIES = (
    ["temperature.gpu", "clocks_event_reasons.active", *COUNTERS],
    ["temperature.gpu", "clocks_event_reasons.active"],
    ["temperature.gpu", "clocks_throttle_reasons.active"],
)
"""What to ask for, newest drivers first: a driver refuses a question with a word that it does not know."""


@dataclass(frozen=True)
class GpuReading:
    """The GPU at one moment, `process_bytes` the memory that this process tree holds there; `unknown` says why
    something is None."""

    active: frozenset[str] | None = None
    limited_us: tuple[int | None, ...] = ()
    processes: int | None = None
    temperature_c: float | None = None
    process_bytes: int | None = None
    unknown: str = "nvidia-smi does not say"


def read(device: str) -> GpuReading:
    """Ask for the first GPU that this process may use."""
    if device != "gpu":
        return GpuReading(unknown="no GPU was asked for")
    try:
        values = next((values for query in QUERIES if (values := _values(query))), None)
        if values is None:
            return GpuReading(unknown="nvidia-smi did not answer in a form that is known")
        holders = _holders()
        return GpuReading(
            _active(values[1]),
            tuple(map(_whole, values[2:])),
            _processes(holders),
            _whole(values[0]),
            _process_bytes(holders),
        )
    except FileNotFoundError:
        return GpuReading(unknown="nvidia-smi is not there")
    except subprocess.TimeoutExpired:
        return GpuReading(unknown=f"nvidia-smi did not answer within {TIMEOUT_SECONDS:g} s")
    except OSError as error:
        return GpuReading(unknown=f"nvidia-smi could not be started: {error.strerror}")


def between(before: GpuReading, after: GpuReading) -> tuple[list[str] | None, int | None, str]:
    """(limits that held the clock back, most processes seen, why one of these is None)."""
    why = after.unknown if after.active is None or after.processes is None else before.unknown
    limits = None
    if before.active is not None and after.active is not None:
        pairs = zip(COUNTED, before.limited_us, after.limited_us, strict=False)
        grown = {name for name, early, late in pairs if early is not None and late is not None and late > early}
        limits = sorted(before.active | after.active | grown)
    counts = before.processes, after.processes
    return limits, None if counts[0] is None or counts[1] is None else max(counts[0], counts[1]), why


def _ask(question: str) -> list[str] | None:
    """The lines of the answer, or None where there is none."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip() or "0"
    command = ["nvidia-smi", f"--id={gpu}", question, "--format=csv,noheader,nounits"]
    answer = subprocess.run(command, capture_output=True, timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL)
    if answer.returncode != 0:
        return None
    return [line.strip() for line in answer.stdout.decode("utf-8", "replace").splitlines() if line.strip()]


def _values(query: list[str]) -> list[str] | None:
    lines = _ask(f"--query-gpu={','.join(query)}")
    values = [value.strip() for value in lines[0].split(",")] if lines else []
    return values if len(values) == len(query) else None


def _active(mask: str) -> frozenset[str] | None:
    try:
        bits = int(mask, 16)
    except ValueError:
        return None
    return frozenset(name for bit, name in LIMITS.items() if bits & bit)


def _holders() -> list[tuple[int, int | None]] | None:
    """(process id, bytes of GPU memory) of who computes there; None where the answer is none."""
    lines = _ask("--query-compute-apps=pid,used_memory")
    if lines is None:
        return None
    pairs = [line.partition(",")[::2] for line in lines]
    if not all(pid.strip().isdecimal() for pid, _ in pairs):
        return None
    held = [(int(pid), _whole(memory.strip())) for pid, memory in pairs]
    return [(pid, None if mebibytes is None else mebibytes * 2**20) for pid, mebibytes in held]


def _processes(holders: list[tuple[int, int | None]] | None) -> int | None:
    """How many processes compute on the GPU, those of this tree taken as one.

    In a container the driver names processes as the machine outside knows them, or names none, so that a strange id
    may be our own: only the number can be judged, and more than one means that somebody else is there.
    """
    if holders is None:
        return None
    seen = {pid for pid, _ in holders}
    own = set(process_tree())
    # Nobody at all cannot be: this process itself computes there.
    return len(seen - own) + bool(seen & own) or None


def _process_bytes(holders: list[tuple[int, int | None]] | None) -> int | None:
    """What this process tree holds of the GPU's memory; where it is not known by its id, what the only holder does."""
    own = set(process_tree())
    mine = [held for pid, held in holders or [] if pid in own] or [held for _, held in holders or []]
    known = [held for held in mine if held is not None]
    alone = _processes(holders) == 1 or any(pid in own for pid, _ in holders or [])
    return sum(known) if known and alone else None


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
