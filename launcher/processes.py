"""Child processes that end when the launcher is told to stop, with all they started."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from launcher.errors import Interrupted
from launcher.ownership.owner import ENVIRONMENT, parse_owner, this_launcher
from launcher.ownership.temporary import temporary_folder
from launcher.stop import Ending, Stop, supervise
from runners.harness.record import log_tail


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
    """Run `argv` in a session of its own, both its streams going to `output`; leaves no process of it behind."""
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
    return Ended(ending, child.wait())


def run_logged(
    argv: Sequence[str], cwd: Path, stop: Stop, seconds: float, what: str, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """(exit code, end of the log) of `argv`, whose temporary files go with it. Raises Interrupted, naming `what`."""
    with temporary_folder() as folder, tempfile.TemporaryFile() as log:
        ended = run_child(argv, cwd, log, stop, seconds, {**(environment or os.environ), "TMPDIR": str(folder)})
        log.seek(0)
        tail = log_tail(log.read().decode(errors="replace"))
    if ended.ending is Ending.INTERRUPTED:
        raise Interrupted(f"interrupted while {what}")
    return ended.code, tail


def _signal(child: subprocess.Popen[bytes], kind: signal.Signals) -> None:
    """Reach the whole group: the child's own workers outlive it otherwise."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, kind)


def orphans() -> list[psutil.Process]:
    """Every process of this user whose launcher on this machine is dead."""
    variables = ((process, process.info["environ"] or {}) for process in psutil.process_iter(["environ"]))
    found = ((process, parse_owner(environment.get(ENVIRONMENT, ""))) for process, environment in variables)
    return [process for process, owner in found if owner and owner.is_local() and not owner.is_alive()]


def kill_orphans() -> int:
    """Kill what dead launchers left running; returns how many processes."""
    left = orphans()
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    return len(left)
