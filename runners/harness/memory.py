"""How much memory this process can still get. A check after the clock must not get the process killed."""

from collections.abc import Iterator

from runners.harness.proc import control_groups, fields, read_int
from runners.harness.resources import peak_rss_bytes

GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file",
    ),
)
"""Files with a container's memory limit, its usage, its statistics, and the name of the cache that the kernel can drop,
for control groups of version 2, then of version 1."""


def available_bytes() -> int | None:
    """Bytes that both the machine and the control group can still give, or None if neither says."""
    return min(_limits(), default=None)


def enough_for_float64() -> bool:
    """Whether there is enough memory to repeat the steps in float64.

    They need at most twice the memory of the float32 steps. If the kernel killed the process, its measurement would be
    lost.
    """
    available = available_bytes()
    return available is None or available >= 2 * peak_rss_bytes()


def killed_processes() -> int:
    """How many processes of this control group the kernel has killed so far because memory was full."""
    own, *_ = control_groups()
    return int(fields(str(own / "memory.events")).get("oom_kill", 0))


def _limits() -> Iterator[int]:
    available = fields("/proc/meminfo").get("MemAvailable", "").split()
    if available:
        yield int(available[0]) * 1024
    for limit_file, usage_file, statistics, cache in GROUPS:
        limit, usage = read_int(limit_file), read_int(usage_file)
        if limit is not None and usage is not None:
            yield max(0, limit - usage + int(fields(statistics).get(cache, 0)))
