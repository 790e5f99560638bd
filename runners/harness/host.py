"""Facts about the machine and the software on it, read rather than assumed."""

import errno
import hashlib
import importlib.metadata
import os
import platform
import shlex
import socket
from pathlib import Path

from runners.harness import nvidia
from runners.harness.proc import control_groups, fields, read_int, read_text
from runners.harness.rank import cpus
from runners.harness.record import Host, provenance, unknown

REFERENCE = ("numpy", "pillow")
"""The packages that runners/reference needs."""
ALLOCATOR = "GLIBC_TUNABLES"
"""The environment variable with settings of the C library's allocator. A user sets it for all competitors alike."""


def visible_cpus() -> int:
    """How many CPUs the replicate may run on; os.cpu_count() ignores the process's CPU set."""
    return len(cpus())


def cgroup_cpu_quota() -> float | None:
    """The CPU quota in CPUs: the smallest of this control group and of all groups above it; None without a limit."""
    limits = [read_text(str(group / "cpu.max")) for group in control_groups()]
    if any(limits):
        quotas = [limit.split() for limit in limits if limit and not limit.startswith("max")]
        return min((int(quota) / int(period) for quota, period in quotas), default=None)
    quota_us = read_int("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    period_us = read_int("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota_us is None or quota_us < 0 or not period_us:
        return None
    return quota_us / period_us


def writing_remedy(folder: Path, error: OSError) -> str:
    """Advice for a user whose `folder` cannot be written to.

    It is to change the owner only if that helps: the file system is writable and the user may enter the folder.
    """
    # Path.exists would raise PermissionError for a folder that this user may not enter.
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.exists(path))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room, or choose another --out"
    if error.errno == errno.EROFS or not place.is_dir() or not os.access(place, os.X_OK, effective_ids=True):
        return "choose another --out"
    return f"choose another --out, or: sudo chown -R {os.getuid()}:{os.getgid()} {shlex.quote(str(place))}"


def shm_bytes() -> int | None:
    """The size of /dev/shm, or None if it does not exist."""
    try:
        status = os.statvfs("/dev/shm")
    except OSError:
        return None
    return status.f_blocks * status.f_frsize


def governor() -> str | None:
    """The first CPU's frequency governor, or None if the kernel shows none (most virtual machines)."""
    return read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def cpu_model() -> str:
    """The processor's name."""
    for line in (read_text("/proc/cpuinfo") or "").splitlines():
        if line.lower().startswith(("model name", "hardware")):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def package_versions(distributions: tuple[str, ...]) -> dict[str, str]:
    """Versions of installed packages: first `distributions` in their order, then the reference's, then NVIDIA's."""
    installed = {
        (distribution.metadata["Name"] or "").lower(): distribution.version
        for distribution in importlib.metadata.distributions()
    }
    nvidia = sorted(name for name in installed if name.startswith("nvidia-"))
    return {name: installed[name] for name in (*distributions, *REFERENCE, *nvidia) if name in installed}


def host(distributions: tuple[str, ...], device: str) -> tuple[Host, dict[str, str]]:
    """The facts about this host, and a reason for each unknown fact."""
    facts = provenance()
    packages = package_versions(distributions)
    gpu = nvidia.current() if device == "gpu" else None
    cuda = next((packages[name] for name in packages if name.startswith("nvidia-cuda-runtime")), None)
    cudnn = next((packages[name] for name in packages if name.startswith("nvidia-cudnn")), None)
    found = Host(
        hostname_digest=_hostname_digest(),
        cpu_model=cpu_model(),
        cpus=os.cpu_count() or 1,
        memory_bytes=memory_bytes(),
        kernel=platform.release(),
        os=_os_name(),
        governor=governor(),
        gpu=(gpu.name or None) if gpu else None,
        driver=nvidia.driver(gpu.card) if gpu else None,
        cuda=cuda,
        cudnn=cudnn,
        python=platform.python_version(),
        packages=packages,
        engine=str(facts.get("engine", "by hand")),
        image_id=facts.get("image_id"),
        image_base_digest=facts.get("image_base_digest"),
        commit=facts.get("commit") or os.environ.get("LEVELFIELD_COMMIT") or None,
        dirty=facts.get("dirty"),
        allocator=os.environ.get(ALLOCATOR) or None,
    )
    no_gpu = "no GPU was requested" if device != "gpu" else "the driver's tools did not answer"
    return found, unknown("host", found, {**REASONS, "gpu": no_gpu, "driver": no_gpu})


REASONS = {
    "governor": "the kernel shows no frequency governor",
    "cuda": "no CUDA runtime wheel is installed",
    "cudnn": "no cuDNN wheel is installed",
    "image_id": "not started from an image by the launcher",
    "image_base_digest": "not started from an image by the launcher, or its base has no digest",
    "commit": "neither the launcher nor the image names a commit",
    "dirty": "neither the launcher nor the image says whether the tree was dirty",
    "allocator": f"{ALLOCATOR} is not set",
}


def _hostname_digest() -> str:
    """A digest that tells machines apart without publishing their names.

    The launcher hands down the machine's name, because a container has a name of its own.
    """
    name = str(provenance().get("hostname") or socket.gethostname())
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _os_name() -> str:
    """The name of the Linux distribution."""
    for line in (read_text("/etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return fields("/proc/version").get("Linux", platform.system())
