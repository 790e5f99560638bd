"""Which number formats a device computes in: a request for one that it lacks is refused before anything starts."""

import functools
import subprocess

from runners.harness.proc import read_text

CPU_FLAGS = {
    "bf16": ("avx512_bf16", "amx_bf16", "bf16"),
    "fp16": ("avx512_fp16", "amx_fp16", "fphp"),
}
"""What /proc/cpuinfo calls a processor's own arithmetic in a format; one of the names is enough."""

GPU_SINCE = {"tf32": 8.0, "bf16": 8.0, "fp16": 5.3}
"""The compute capability from which NVIDIA's GPUs have the format."""


def lacking(device: str, precision: str) -> str:
    """Why the device cannot compute in `precision`, or nothing where it can or where that is not known."""
    if device == "cpu":
        return _cpu_lacks(precision)
    capability, since = gpu_capability(), GPU_SINCE.get(precision, 0.0)
    if capability is not None and capability < since:
        return f"this GPU has compute capability {capability:g}, {precision} needs {since:g}"
    return ""


def _cpu_lacks(precision: str) -> str:
    if precision == "tf32":
        return "a CPU has no TF32, only GPUs do"
    wanted = CPU_FLAGS.get(precision)
    flags = cpu_flags()
    if wanted and flags and not flags & set(wanted):
        return f"this CPU does not compute in {precision} (none of {', '.join(wanted)})"
    return ""


@functools.cache
def cpu_flags() -> frozenset[str]:
    """The processor's features as the kernel names them; empty where it does not say."""
    for line in (read_text("/proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


@functools.cache
def gpu_capability() -> float | None:
    """The first GPU's compute capability, None where nobody answers."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader", "--id=0"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout
        return float(answer.strip())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
