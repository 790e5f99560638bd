"""Names a launcher process, so that a later process with the same id is not taken for it."""

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
    """A launcher process: its host, the boot of that host, its process id and its start time."""

    host: str
    boot: str
    pid: int
    start: int

    def __str__(self) -> str:
        return f"{self.host}/{self.boot}/{self.pid}/{self.start}"

    def is_local(self) -> bool:
        """Whether it runs or ran on this machine."""
        return self.host == _host()

    def is_alive(self) -> bool:
        """Whether this very process still runs; True for another machine's, since it cannot be asked from here."""
        if not self.is_local():
            return True
        return self.boot == _boot() and start_time(self.pid) == self.start


def this_launcher() -> Owner:
    """The launcher that runs this code."""
    return Owner(_host(), _boot(), os.getpid(), start_time(os.getpid()) or 0)


def parse_owner(text: str) -> Owner | None:
    """Read back what `str` gave, or None for anything else."""
    match = _TEXT.match(text.strip())
    return Owner(match["host"], match["boot"], int(match["pid"]), int(match["start"])) if match else None


def start_time(pid: int) -> int | None:
    """When a process started, in kernel ticks since boot; None where it has ended, a zombie included.

    psutil gives times of day, which a corrected clock moves: a living launcher would pass for a dead one.
    """
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
