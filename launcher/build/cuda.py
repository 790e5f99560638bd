"""The driver that the frameworks' CUDA libraries need, known from the pins before anything is downloaded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.build.programs import requirement_files
from launcher.errors import NotReady
from runners.harness import nvidia
from runners.harness.nvidia import Gpu


@dataclass(frozen=True)
class Needs:
    """The oldest branch of drivers and the oldest generation of GPUs on which a CUDA runs."""

    driver: int
    capability: tuple[int, int]
    generation: str


# Drivers: NVIDIA, "CUDA Compatibility", chapter "Minor Version Compatibility", table 1. A library runs on every driver
# that suits its major version of CUDA. Generations: release notes of the CUDA Toolkit 11.0, 12.0 and 13.0, section
# "Deprecated or Dropped Features".
NEEDS = {11: Needs(450, (3, 5), "Kepler"), 12: Needs(525, (5, 0), "Maxwell"), 13: Needs(580, (7, 5), "Turing")}

_PIN = re.compile(r"^(?:nvidia-cuda-runtime(?:-cu\d+)?|cuda-bindings)==(\d+)\.", re.MULTILINE)
_CONSTRAINTS = re.compile(r"^-c\s+(\S+)", re.MULTILINE)


def cuda_of(root: Path, program: str) -> int | None:
    """The major version of CUDA that the program's pins bring for a GPU.

    It is None for a framework without CUDA, and for a version that a run asks for: only pip knows what that takes.
    """
    texts = []
    for path in requirement_files(root, program, "gpu"):
        texts.append(path.read_text(encoding="utf-8"))
        texts += [(path.parent / name).read_text(encoding="utf-8") for name in _CONSTRAINTS.findall(texts[-1])]
    found = [int(major) for text in texts for major in _PIN.findall(text)]
    return max(found, default=None)


def too_new(root: Path, programs: Sequence[str], gpu: Gpu) -> dict[str, str]:
    """For each program whose CUDA is too new for this machine: what it needs, what there is, what to do."""
    driver, capability = nvidia.driver(gpu.card), _capability(gpu)
    reasons = {}
    for program in programs:
        major = cuda_of(root, program)
        needs = NEEDS.get(major) if major else None
        if needs is None:
            continue
        if driver and driver.partition(".")[0].isdecimal() and int(driver.partition(".")[0]) < needs.driver:
            reasons[program] = (
                f"CUDA {major} needs driver {needs.driver} or newer, this machine has {driver}: install a newer driver"
            )
        elif capability and capability < needs.capability:
            lowest, found = (".".join(map(str, pair)) for pair in (needs.capability, capability))
            reasons[program] = (
                f"CUDA {major} needs compute capability {lowest} ({needs.generation}) or newer, GPU {gpu} has {found}: "
                "choose an older version of the framework"
            )
    return reasons


def require_driver(root: Path, programs: Sequence[str], gpu: Gpu | None, extra_index: str) -> None:
    """Raise NotReady where the driver or the GPU is too old for a program.

    An extra index may hold builds for an older CUDA, which only their first product on the GPU can tell.
    """
    reasons = too_new(root, programs, gpu) if gpu and not extra_index else {}
    if reasons:
        rest = [program for program in programs if program not in reasons]
        ways = [*([f"FRAMEWORKS={','.join(rest)}"] if rest else []), "EXTRA_INDEX= with builds for an older CUDA"]
        found = "; ".join(f"{program}: {reason}" for program, reason in reasons.items())
        raise NotReady(f"{found}; or use {', or '.join(ways)}")


def _capability(gpu: Gpu) -> tuple[int, int] | None:
    try:
        major, _, minor = nvidia.query(["compute_cap"], gpu.card)[0].partition(".")
        return int(major), int(minor)
    except (nvidia.NoAnswer, ValueError):  # the driver is too old to tell
        return None
