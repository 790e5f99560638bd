"""Checks of the machine before anything starts: CPUs, memory, disk."""

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from launcher.errors import NotReady, UsageError
from runners.harness.host import memory_bytes, writing_remedy
from runners.harness.proc import read_text

MEMORY_SHARE = 0.85
"""The share of memory that a replicate may use; the rest keeps the machine and the launcher alive."""

RECORD_BYTES = 200_000
SPARE_BYTES = 500_000_000
BUILD_BYTES = 8_000_000_000
"""Disk space of one framework at worst: its wheels and the CUDA libraries that they bring."""


def visible_cpus() -> tuple[int, ...]:
    """CPUs that this process may use."""
    return tuple(sorted(os.sched_getaffinity(0)))


def cpu_set(text: str) -> tuple[int, ...]:
    """Read `0-3,6`; empty means all visible. CPUs that this process may not use are NotReady.

    CPUs that are kept from the shell may be asked for: they are often kept free for measurements (isolcpus).
    """
    if not text:
        return visible_cpus()
    asked = _numbers(text)
    refused = sorted(asked - _usable(asked))
    if refused:
        present = _numbers(read_text("/sys/devices/system/cpu/online") or f"0-{(os.cpu_count() or 1) - 1}")
        missing = [cpu for cpu in refused if cpu not in present] or refused
        why = (
            f"this machine has CPUs {_ranges(present)}"
            if missing[0] not in present
            else f"this container, job or control group may use CPUs {_ranges(_usable(present))} only"
        )
        raise NotReady(f"--cpus {text}: CPU {_ranges(missing)} is not available here; {why}")
    return tuple(sorted(asked))


def _numbers(text: str) -> set[int]:
    cpus: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", part, re.ASCII)
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise UsageError(f"--cpus {text!r}: write it like 0-3,6")
        cpus |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return cpus


def _ranges(cpus: Iterable[int]) -> str:
    """`0-3,6`."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and runs[-1][-1] == cpu - 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _usable(cpus: set[int]) -> set[int]:
    """The CPUs among these that the kernel lets this process use: a thread, which nothing else is bound to, tries."""
    found: set[int] = set()

    def bind() -> None:
        with suppress(OSError, OverflowError):
            os.sched_setaffinity(0, cpus)
            found.update(os.sched_getaffinity(0) & cpus)

    thread = threading.Thread(target=bind)
    thread.start()
    thread.join()
    return found


def default_memory() -> int:
    """The memory limit of a replicate where none is asked for."""
    return int(memory_bytes() * MEMORY_SHARE)


def default_shm() -> int:
    """The size of a container's /dev/shm where none is asked for: half of the memory, as Linux gives to a machine.

    It is a bound, and takes memory only as it is used.
    """
    return memory_bytes() // 2


def require_folder(folder: Path) -> None:
    """Create the output folder and prove that it can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise NotReady(f"{folder}: cannot write there ({error.strerror}); {writing_remedy(folder, error)}") from error


def require_disk(folder: Path, replicates: int, builds: int) -> list[str]:
    """Raise NotReady where the records cannot fit; warn where a framework that is still to be built may not."""
    free = shutil.disk_usage(folder).free
    needed = SPARE_BYTES + replicates * RECORD_BYTES
    if free < needed:
        raise NotReady(f"{folder}: {_gib(free)} free, the run needs {_gib(needed)}; make room, or choose another --out")
    if builds and free < needed + builds * BUILD_BYTES:
        return [f"{_gib(free)} free on disk; {builds} frameworks to build may need {_gib(builds * BUILD_BYTES)}"]
    return []


def shared_bytes(workers: int, prefetch: int, batch_size: int) -> int:
    """Bytes that loader processes keep in /dev/shm: each has `prefetch` float batches of 224×224 images."""
    return workers * prefetch * batch_size * 224 * 224 * 3 * 4


def shm_shortfall(bytes_needed: int) -> str:
    """Why /dev/shm of this machine cannot hold so many bytes; empty where it can."""
    try:
        with tempfile.TemporaryFile(dir="/dev/shm") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, bytes_needed))
    except OSError as error:
        remedy = f"sudo mount -o remount,size={-(-bytes_needed // 2**30)}G /dev/shm"
        return f"/dev/shm cannot hold {_gib(bytes_needed)} ({error.strerror}); enlarge it: {remedy}"
    return ""


def worker_warnings(workers: Iterable[int | None], cpus: int) -> list[str]:
    """A warning where cases have more workers than there are CPUs: they would measure the scheduler too."""
    most = max((count for count in workers if count is not None), default=0)
    return [f"cases ask for up to {most} workers, {cpus} CPUs are visible"] if most > cpus else []


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
