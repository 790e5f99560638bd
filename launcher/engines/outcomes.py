"""From the way a process ended to a status and the short reason that stands in a table's cell."""

import signal

from launcher.engines.engine import Outcome
from launcher.stop import Ending
from runners.harness import full_memory
from runners.harness.record import Failure, Status

SIGNAL_BASE = 128
"""A shell, and a container engine, report death by signal N as 128 + N."""


def failure(outcome: Outcome, timeout: float, limit_bytes: int, tail: str) -> tuple[Status, Failure]:
    """Status and reason of a replicate that left no valid record."""
    status, kind, message = _reason(outcome, timeout, limit_bytes)
    if status in (Status.CRASHED, Status.FAILED) and outcome.ending is Ending.EXITED and full_memory.of_gpu(tail):
        status, kind, message = Status.OOM, "OOM(gpu)", f"{message}; its log says that the GPU's memory is full"
    return status, Failure(kind, outcome.message or message, outcome.code, tail)


def _reason(outcome: Outcome, timeout: float, limit_bytes: int) -> tuple[Status, str, str]:
    if outcome.ending is Ending.LOST:
        return Status.CRASHED, "LOST", "the engine died during this replicate; resume the run to measure it"
    if outcome.out_of_memory:
        return Status.OOM, "OOM(host)", f"killed for memory: the limit is {limit_bytes / 2**30:.1f} GiB"
    if outcome.ending is Ending.TIMEOUT:
        return Status.TIMEOUT, "TIMEOUT", f"did not end within {timeout:g} s; --timeout SECONDS allows more"
    number = _signal_number(outcome.code)
    if number == signal.SIGBUS:
        return (
            Status.CRASHED,
            "SHM",
            "bus error: /dev/shm is too small for this case; give a container more with SHM=GiB (--shm GiB; by hand "
            "docker run --shm-size), a machine with mount -o remount,size=… /dev/shm, or use fewer workers",
        )
    if number == signal.SIGKILL:
        return Status.CRASHED, "KILLED", "killed from outside (probably out of memory)"
    if number is not None:
        return Status.CRASHED, f"CRASH({_name(number)})", f"died by {_name(number)}"
    if outcome.code == 0:
        return Status.FAILED, "RECORD", "ended without an error, and without a valid record"
    return Status.FAILED, "ERROR", f"exit code {outcome.code} and no valid record"


def _signal_number(code: int | None) -> int | None:
    if code is None or 0 <= code <= SIGNAL_BASE:
        return None
    number = -code if code < 0 else code - SIGNAL_BASE
    return number if number in set(signal.Signals) else None


def _name(number: int) -> str:
    return signal.Signals(number).name
