"""Child processes. They end when the launcher is told to stop, and so does everything that they started."""

import ctypes
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from launcher.errors import Interrupted
from launcher.ownership.owner import ENVIRONMENT, parse_owner, this_launcher
from launcher.ownership.temporary import temporary_folder
from launcher.stop import Ending, Stop, supervise
from runners.harness.record import log_tail

SET_CHILD_SUBREAPER = 36
"""Of prctl: orphans among the descendants become this process's children, so that none of them gets out of sight."""
TAIL_BYTES = 2**16
ROUNDS = 20
"""How often all descendants are killed, since one of them may start another meanwhile."""


@dataclass(frozen=True)
class Ended:
    """How a child ended; a negative code is the signal that ended it."""

    ending: Ending
    code: int


def run_child(
    argv: Sequence[str],
    cwd: Path,
    output: IO[bytes] | int,
    stop: Stop,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Ended:
    """Run `argv` in its own session, with both its streams in `output`, and leave no process of it behind."""
    with _nothing_left():
        return _run(argv, cwd, output, stop, seconds, environment, before)


def _run(
    argv: Sequence[str],
    cwd: Path,
    output: IO[bytes] | int,
    stop: Stop,
    seconds: float,
    environment: Mapping[str, str] | None,
    before: Callable[[], None] | None,
) -> Ended:
    child = subprocess.Popen(
        argv,
        cwd=cwd,
        env={**(os.environ if environment is None else environment), ENVIRONMENT: str(this_launcher())},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=before,
    )
    finished = threading.Event()

    def wait() -> None:
        child.wait()
        finished.set()

    threading.Thread(target=wait, daemon=True).start()
    try:
        ending = supervise(
            finished, stop, seconds, lambda: _signal(child, signal.SIGTERM), lambda: _signal(child, signal.SIGKILL)
        )
    finally:
        _signal(child, signal.SIGKILL)
        code = child.wait()
    return Ended(ending, code)


@contextmanager
def _nothing_left() -> Iterator[None]:
    """End all processes that began meanwhile and descend from this one, also daemons with a session of their own."""
    before = _descendants()
    _adopt_orphans(True)
    try:
        yield
    finally:
        for _ in range(ROUNDS):
            left = _descendants() - before
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            if not left:
                break
            psutil.wait_procs(left, timeout=1)
        _adopt_orphans(False)


def _descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _adopt_orphans(wanted: bool) -> None:
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)


def run_logged(
    argv: Sequence[str], cwd: Path, stop: Stop, seconds: float, what: str, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run `argv` and remove its temporary files; returns its exit code and the end of its log.

    `what` is what it does, for the message of Interrupted.
    """
    with temporary_folder() as folder, tempfile.TemporaryFile() as log:
        ended = run_child(argv, cwd, log, stop, seconds, {**(environment or os.environ), "TMPDIR": str(folder)})
        log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
        tail = log_tail(log.read().decode(errors="replace"))
    if ended.ending is Ending.INTERRUPTED:
        raise Interrupted(f"interrupted while {what}")
    return ended.code, tail


def _signal(child: subprocess.Popen[bytes], kind: signal.Signals) -> None:
    """Signal the child's whole group: its workers would outlive it otherwise."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, kind)


def kill_orphans() -> int:
    """Kill this user's processes whose launcher on this machine is dead; returns how many."""
    killed = 0
    for process in psutil.process_iter(["environ"]):
        owner = parse_owner((process.info["environ"] or {}).get(ENVIRONMENT, ""))
        if owner and owner.is_dead():
            with suppress(psutil.Error):
                process.kill()
                killed += 1
    return killed
