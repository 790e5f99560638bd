"""Readers of Linux's /proc and /sys. They return None for values that the kernel does not show."""

import os
import threading
from pathlib import Path


def read_text(path: str) -> str | None:
    """The stripped text of a small kernel file, or None if it cannot be read."""
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def read_int(path: str) -> int | None:
    """The integer in a kernel file, or None."""
    text = read_text(path)
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def fields(path: str) -> dict[str, str]:
    """A file of `name value` or `name: value` lines as a dict; empty if the file cannot be read."""
    pairs = {}
    for line in (read_text(path) or "").splitlines():
        name, _, value = line.replace(":", " ", 1).partition(" ")
        pairs[name.strip()] = value.strip()
    return pairs


def control_groups() -> list[Path]:
    """The folder of this process's control group (version 2), then the folders of all groups above it."""
    own = next((line[3:] for line in (read_text("/proc/self/cgroup") or "").splitlines() if line[:3] == "0::"), "/")
    path = Path("/sys/fs/cgroup") / own.strip("/")
    return [path, *path.parents]


def process_tree(root: int | None = None) -> list[int]:
    """The ids of a process (this one by default) and all its living descendants."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = read_text(f"/proc/{name}/stat")
            if stat:
                parent = int(stat.rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(name))
    tree, todo = [], [root or os.getpid()]
    while todo:
        pid = todo.pop()
        tree.append(pid)
        todo.extend(parents.get(pid, []))
    return tree


def thread_names() -> list[str]:
    """The names of this process's threads, of which the kernel keeps fifteen characters."""
    return [read_text(f"/proc/self/task/{thread}/comm") or "" for thread in os.listdir("/proc/self/task")]


def threads_named(name: str) -> int:
    """How many threads of this process have this name."""
    return thread_names().count(name[:15])


def any_thread_runs(pids: list[int]) -> bool:
    """Whether a thread of these processes, other than the calling thread, is running or waits for a CPU."""
    for pid in pids:
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:  # the process has ended
            continue
        for thread in threads:
            if int(thread) != threading.get_native_id():
                stat = read_text(f"/proc/{pid}/task/{thread}/stat")
                if stat and stat.rpartition(")")[2].split()[0] == "R":
                    return True
    return False
