"""Names a launcher process, so that no later process, and none of another container, is taken for it."""

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = "LEVELFIELD_LAUNCHER"
"""Every child process inherits this variable, which is how the children of a dead launcher are found."""

UNKNOWN = 0
"""The start time of a launcher that sees no /proc."""

_TEXT = re.compile(
    r"(?P<host>[^/\s]*)/(?P<boot>[0-9a-f]*)/(?P<namespace>\d{0,20})/(?P<pid>[1-9]\d{0,8})/(?P<start>\d{1,20})", re.ASCII
)


@dataclass(frozen=True)
class Owner:
    """A launcher process: its host, the boot of the host, its PID namespace, its process id and its start time.

    Containers and batch jobs share a boot, and often /tmp or a Docker engine. A process id means something in its own
    PID namespace only.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    start: int

    def __str__(self) -> str:
        return f"{self.host}/{self.boot}/{self.namespace}/{self.pid}/{self.start}"

    def shares_kernel(self) -> bool:
        """Whether it ran on this kernel, or on this machine before a reboot: then a lock shows whether it lives."""
        return self.host == _host() or (self.boot == _boot() != "")

    def ran_before_reboot(self) -> bool:
        """Whether this machine was started again since, as far as the machine's name tells."""
        return self.host == _host() and self.boot != _boot()

    def is_dead(self) -> bool:
        """Whether this very process has certainly ended; False for a process that cannot be seen from here."""
        visible = self.boot == _boot() != "" and self.namespace == _namespace() != ""
        return visible and not _may_run(self.pid, self.start)


def this_launcher() -> Owner:
    """The launcher that runs this code."""
    try:
        start = _start_time("self") or UNKNOWN
    except OSError:
        start = UNKNOWN
    return Owner(_host(), _boot(), _namespace(), os.getpid(), start)


def parse_owner(text: str) -> Owner | None:
    """Read back what `str` gave, or None for anything else."""
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        return None
    return Owner(match["host"], match["boot"], match["namespace"], int(match["pid"]), int(match["start"]))


def _may_run(pid: int, start: int) -> bool:
    """Whether a process of this PID namespace may be the process that began then."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        # A /proc that was mounted for another PID namespace has other numbers.
        if os.readlink("/proc/self") != str(os.getpid()):
            return True
        return start in (UNKNOWN, _start_time(str(pid)))
    except OSError:
        return True  # the process of another user may be hidden


def _start_time(pid: str) -> int | None:
    """When a process started, in kernel ticks since boot; None where it has ended, a zombie included.

    psutil gives times of day, which a corrected clock moves: a living launcher would pass for a dead one.
    """
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _host() -> str:
    return re.sub(r"[/\s]", "_", socket.gethostname())


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return ""


def _namespace() -> str:
    """The number of the PID namespace; empty where the kernel does not tell."""
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return ""
