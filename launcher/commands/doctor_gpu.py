"""What `doctor` finds out about GPUs: which there are, whether a run can use one, and what would disturb it there."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import docker

from launcher import gpus
from launcher.build.cuda import too_new
from launcher.commands.finding import Finding
from launcher.engines.facts import require_toolkit
from launcher.errors import NotReady
from launcher.text import printable
from runners.harness import nvidia
from runners.harness.nvidia import Gpu

SETTINGS = {
    "persistence_mode": (
        "Disabled",
        "the driver starts anew for every process: sudo nvidia-smi -pm 1",
    ),
    "compute_mode": (
        "Exclusive_Process",
        "any other program on the GPU makes replicates fail; sudo nvidia-smi -c DEFAULT allows several",
    ),
    "display_active": (
        "Enabled",
        "a screen takes memory and time of this GPU: choose another GPU, or stop the desktop",
    ),
}
"""Fields of nvidia-smi, for each the value that matters to a measurement and what to do about it."""

ERRORS = "ecc.errors.uncorrected.volatile.total"


def findings(
    root: Path, programs: Sequence[str], device: str, wanted: str, client: docker.DockerClient | None
) -> Iterator[Finding]:
    """All findings. `client` is the engine that a run would use, if any; only a run on a GPU can lack something."""
    asked = device == "gpu"
    try:
        present = nvidia.listed()
    except nvidia.NoAnswer as error:
        reason = printable(str(error))
        yield Finding("GPU", reason if asked else f"none ({reason}); DEVICE=cpu needs none", *_lack(reason, asked))
        return
    yield Finding("GPUs", "; ".join(map(str, present)) or "none")
    if not asked:
        return
    try:
        gpu = gpus.choose(wanted)
    except NotReady as error:
        yield Finding("GPU of a run", str(error), "see there", lacks=True)
        return
    yield Finding("GPU of a run", f"{gpu}, driver {nvidia.driver(gpu.card) or 'unknown'}")
    for program, reason in too_new(root, programs, gpu).items():
        found, _, remedy = reason.partition(": ")
        yield Finding(f"{program}: CUDA", found, remedy, lacks=True)
    yield from _state(gpu)
    if client is not None:
        try:
            require_toolkit(client)
            yield Finding("GPU in containers", "the engine knows NVIDIA's toolkit; the first build proves it")
        except NotReady as error:
            yield Finding("GPU in containers", str(error), "ENGINE=venv needs no toolkit", lacks=True)


def _lack(reason: str, asked: bool) -> tuple[str, bool]:
    return (f"{gpus.remedy(reason)}, or use DEVICE=cpu", True) if asked else ("", False)


def _state(gpu: Gpu) -> Iterator[Finding]:
    """The GPU's settings and its other users."""
    if others := _others(gpu):
        yield Finding("GPU: other programs", "; ".join(others), "stop them: they take memory and time of this GPU")
    for field, (matters, remedy) in SETTINGS.items():
        value = _value(field, gpu)
        if value == "Prohibited":
            yield Finding(f"GPU: {field}", value, "no program may compute: sudo nvidia-smi -c DEFAULT", lacks=True)
        elif value:
            yield Finding(f"GPU: {field}", value, remedy if value == matters else "")
    errors = _value(ERRORS, gpu)
    if errors and errors.isdecimal() and int(errors):
        yield Finding(
            "GPU: memory errors", errors, "uncorrected since the driver started: results may be wrong; reboot"
        )
    if gpu.is_part:
        yield Finding("GPU: MIG", gpu.name, "power and clock are shared with the other parts of the GPU")


def _others(gpu: Gpu) -> list[str]:
    """The programs that compute on the GPU now."""
    fields = "--query-compute-apps=pid,process_name,used_memory"
    try:
        return [printable(line) for line in nvidia.ask(f"--id={gpu.card}", fields, "--format=csv,noheader")]
    except nvidia.NoAnswer:
        return []


def _value(field: str, gpu: Gpu) -> str:
    """The value of a field, or nothing where this driver or this GPU has none."""
    try:
        value = printable(nvidia.query([field], gpu.card)[0])
    except nvidia.NoAnswer:
        return ""
    return "" if value.startswith("[") else value
