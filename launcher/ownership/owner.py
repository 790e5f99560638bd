"""Which launcher a process, container or lock belongs to, told apart from a later process with the same id."""

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = "LEVELFIELD_LAUNCHER"
"""Every child process inherits this variable, which is how the children of a dead launcher are found."""

_TEXT = re.compile(r"^(?P<host>[^/]*)/(?P<boot>[^/]*)/(?P<pid>\d{1,10})/(?P<start>\d{1,20})$")


@dataclass(frozen=True)
class Owner:
    """One launcher process: host, boot, process id and when that process started."""

    host: str
    boot: str
    pid: int
    start: int

    def __str__(self) -> str:
        return f"{self.host}/{self.boot}/{self.pid}/{self.start}"

    def is_local(self) -> bool:
        """Whether it ran on this machine, where alone its life can be asked about."""
        return self.host == _host()

    def is_alive(self) -> bool:
        """Whether that very process still runs; always True for another machine's, which nobody here can ask."""
        if not self.is_local():
            return True
        return self.boot == _boot() and start_time(self.pid) == self.start


def this_launcher() -> Owner:
    """The identity of this process."""
    return Owner(_host(), _boot(), os.getpid(), start_time(os.getpid()) or 0)


def parse_owner(text: str) -> Owner | None:
    """Read back what `str` gave, or None for anything else."""
    match = _TEXT.match(text.strip())
    return Owner(match["host"], match["boot"], int(match["pid"]), int(match["start"])) if match else None


def start_time(pid: int) -> int | None:
    """When a process started, in kernel ticks since boot, or None where there is none (a zombie is none)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _host() -> str:
    return socket.gethostname().replace("/", "_")


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return ""
