"""Chooses the GPU of a run: the one that is asked for, or the first that the user's shell shows to CUDA."""

import os
from collections.abc import Sequence
from pathlib import Path

from launcher.errors import NotReady, UsageError
from runners.harness import nvidia
from runners.harness.nvidia import Gpu
from runners.harness.run import PlannedCase

VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
BY_BUS = "PCI_BUS_ID"
"""CUDA's order that is nvidia-smi's too."""


def asked(device: str, wanted: str) -> Gpu | None:
    """The GPU of a run on this device: none for a CPU."""
    if device == "gpu":
        return choose(wanted)
    if wanted:
        raise UsageError("--gpu: only with DEVICE=gpu")
    return None


def choose(wanted: str) -> Gpu:
    """The GPU with this index or UUID (its beginning is enough), or the first visible one where `wanted` is empty.

    Raises NotReady where there is none. There is no fallback to the CPU.
    """
    present = _present()
    visible = _visible(present)
    if not wanted:
        return visible[0]
    found = _named(wanted, present)
    if len(found) != 1:
        which = f"stands for {len(found)} devices" if found else "does not exist"
        raise NotReady(f"GPU {wanted!r} {which}; present: {_list(present)}; choose with GPU= (--gpu): index or UUID")
    if found[0] not in visible:
        raise NotReady(
            f"GPU {found[0]} is not visible: {VISIBLE}={os.environ[VISIBLE]}; unset it, or choose of {_list(visible)}"
        )
    return found[0]


def further(first: Gpu | None, cases: Sequence[PlannedCase]) -> tuple[Gpu, ...]:
    """The visible GPUs besides `first` for the further processes of a replicate, as far as there are enough."""
    count = most_processes(cases) - 1
    return tuple(gpu for gpu in _visible(_present()) if gpu.uuid != first.uuid)[:count] if first and count else ()


def most_processes(cases: Sequence[PlannedCase]) -> int:
    """The most processes of a replicate, each of which has a GPU."""
    return max((one.case.processes or 1 for one in cases), default=1)


def remedy(reason: str) -> str:
    """What to do where nvidia-smi gives this reason for no answer."""
    if "version mismatch" in reason:
        return "the driver was updated while its old modules are loaded: reboot, or unload and load the nvidia modules"
    if "communicate with the NVIDIA driver" in reason:
        return "the driver's modules are not loaded: sudo modprobe nvidia, or install the driver for this kernel"
    if Path("/dev/dxg").exists():
        return f"install NVIDIA's driver in Windows, not in Linux; its tools then appear in {nvidia.WSL_FOLDER}"
    return "install or repair the driver (nvidia-smi must answer)"


def _present() -> list[Gpu]:
    try:
        found = nvidia.listed()
    except nvidia.NoAnswer as error:
        raise NotReady(f"DEVICE=gpu: no GPU: {error}; {remedy(str(error))}, or use DEVICE=cpu") from error
    if not found:
        raise NotReady("DEVICE=gpu: nvidia-smi lists no GPU; check the machine's hardware, or use DEVICE=cpu")
    usable = [gpu for gpu in found if not _is_empty(gpu)]
    if not usable:
        raise NotReady(
            f"GPU {found[0]}: MIG is on and has no instance; make one (sudo nvidia-smi mig -cgi PROFILE -C), "
            f"or turn MIG off (sudo nvidia-smi -i {found[0].index} -mig 0)"
        )
    return usable


def _is_empty(gpu: Gpu) -> bool:
    """Whether MIG is on for the GPU and has made no part of it yet: CUDA can then compute on nothing."""
    try:
        return not gpu.is_part and nvidia.query(["mig.mode.current"], gpu.card) == ["Enabled"]
    except nvidia.NoAnswer:  # the driver is older than MIG
        return False


def _visible(present: Sequence[Gpu]) -> list[Gpu]:
    """The GPUs that CUDA would see in the user's shell, in its order: it ignores all words after an unknown one."""
    told = os.environ.get(VISIBLE)
    if told is None:
        return list(present)
    visible: list[Gpu] = []
    for word in told.split(","):
        if word.strip().isdecimal() and os.environ.get(ORDER, BY_BUS) != BY_BUS and len(present) > 1:
            raise NotReady(
                f"{VISIBLE}={told} with {ORDER}={os.environ[ORDER]}: only CUDA knows which GPU this is; "
                f"name it by UUID, or set {ORDER}={BY_BUS}; present: {_list(present)}"
            )
        found = _named(word.strip(), present)
        if not found:
            break
        visible.append(found[0])
    if not visible:
        raise NotReady(f"{VISIBLE}={told} hides every GPU; unset it, or name one of {_list(present)}")
    return visible


def _named(word: str, present: Sequence[Gpu]) -> list[Gpu]:
    """All devices that an index or the beginning of a UUID stands for; the index of a divided GPU, for its parts."""
    if word.upper().startswith(("GPU-", "MIG-")) and len(word) > 4:
        return [gpu for gpu in present if gpu.uuid.lower().startswith(word.lower())]
    return [gpu for gpu in present if word in (gpu.index, gpu.index.partition(":")[0])]


def _list(gpus: Sequence[Gpu]) -> str:
    return ", ".join(map(str, gpus))
