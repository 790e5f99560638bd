"""Which number formats a device computes in, so that a case it cannot compute is refused before anything starts."""

import functools
import subprocess

from runners.harness.proc import read_text

CPU_FLAGS = {
    "bf16": ("avx512_bf16", "amx_bf16", "bf16"),
    "fp16": ("avx512_fp16", "amx_fp16", "fphp"),
}
"""The flags in /proc/cpuinfo for arithmetic in a format. Any of them is enough."""

GPU_SINCE = {"tf32": 8.0, "bf16": 8.0, "fp16": 5.3}
"""The lowest compute capability of NVIDIA's GPUs with the format."""


def lacking(device: str, precision: str) -> str:
    """Why the device cannot compute in `precision`; empty if it can, or if that is unknown."""
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
    """The kernel's names of the processor's features; empty if it shows none."""
    for line in (read_text("/proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


@functools.cache
def gpu_capability() -> float | None:
    """The first GPU's compute capability, or None if nvidia-smi does not answer."""
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
