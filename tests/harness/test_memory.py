"""The available memory of the machine and of a container."""

import pytest

from runners.harness import memory, proc

MEMINFO = "MemTotal:       8000 kB\nMemAvailable:   4000 kB\n"


@pytest.fixture
def kernel(monkeypatch):
    """Takes the kernel's files as {path: text}."""

    def install(files):
        monkeypatch.setattr(proc, "read_text", lambda path: files.get(path))

    return install


def test_without_a_limit_the_machine_s_memory_counts(kernel):
    kernel({"/proc/meminfo": MEMINFO})
    assert memory.available_bytes() == 4000 * 1024


@pytest.mark.parametrize("version", [0, 1])
def test_in_a_container_the_limit_counts_and_cache_is_available(kernel, version):
    limit, usage, statistics, cache = memory.GROUPS[version]
    files = {"/proc/meminfo": MEMINFO, limit: "1000000", usage: "900000", statistics: f"anon 5\n{cache} 300000\n"}
    kernel(files)
    assert memory.available_bytes() == 400_000
    kernel({**files, limit: "max"})
    assert memory.available_bytes() == 4000 * 1024


def test_without_information_the_available_memory_is_unknown(kernel):
    kernel({})
    assert memory.available_bytes() is None


def test_processes_killed_for_memory_are_counted_in_this_control_group(kernel):
    kernel({})
    assert memory.killed_processes() == 0
    events = "low 0\noom 3\noom_kill 2\noom_group_kill 0\n"
    kernel({"/proc/self/cgroup": "0::/job", "/sys/fs/cgroup/job/memory.events": events})
    assert memory.killed_processes() == 2


@pytest.mark.parametrize(("peak", "room"), [(2000 * 1024, True), (2001 * 1024, False)])
def test_a_repetition_in_float64_needs_twice_the_peak(kernel, monkeypatch, peak, room):
    kernel({"/proc/meminfo": MEMINFO})
    monkeypatch.setattr(memory, "peak_rss_bytes", lambda: peak)
    assert memory.enough_for_float64() is room
