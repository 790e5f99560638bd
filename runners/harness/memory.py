"""How much memory this process can still have: what it checks after the clock must not have it killed."""

from collections.abc import Iterator

from runners.harness.proc import fields, read_int
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
"""A container's limit, what counts towards it, and which part of that is cache that gives way; version 2, then 1."""


def spare_bytes() -> int | None:
    """Bytes that the machine and the control group still have to give, None where neither says."""
    return min(_spare(), default=None)


def room_for_double() -> bool:
    """Whether the steps can be repeated in float64: they need at most twice what they took in float32, and being
    killed for it would throw away what was measured."""
    spare = spare_bytes()
    return spare is None or spare >= 2 * peak_rss_bytes()


def _spare() -> Iterator[int]:
    available = fields("/proc/meminfo").get("MemAvailable", "").split()
    if available:
        yield int(available[0]) * 1024
    for limit_file, usage_file, statistics, cache in GROUPS:
        limit, usage = read_int(limit_file), read_int(usage_file)
        if limit is not None and usage is not None:
            yield max(0, limit - usage + int(fields(statistics).get(cache, 0)))
