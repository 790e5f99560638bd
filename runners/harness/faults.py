"""How an error becomes a part of the record: a status, a kind and a sentence."""

import contextlib
import gc
import importlib
import signal
import sys
import traceback
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

from runners.harness import full_memory
from runners.harness.manifest import ManifestError
from runners.harness.record import Failure, Status, log_tail
from runners.harness.workload import Invalid, Unsupported, Unusable


def fault(framework: str, device: str, error: Exception, killed_for_memory: bool = False) -> tuple[Status, Failure]:
    """The status and the failure of a replicate that ended with `error`.

    `killed_for_memory` says that the kernel killed a process of the replicate because memory was full.
    """
    died = getattr(error, "died_worker", None) or _dead_worker()
    if is_out_of_memory(framework, error):
        kind = "OOM(gpu)" if device == "gpu" and not _of_host(error) else "OOM(host)"
        return Status.OOM, Failure(kind, str(error).strip()[:500] or "Python could not allocate memory")
    if isinstance(error, Unsupported):
        return Status.UNSUPPORTED, Failure("UNSUPPORTED", str(error))
    if isinstance(error, Invalid):
        return Status.INVALID, Failure(error.kind, str(error))
    if isinstance(error, Unusable):
        cause = "".join(traceback.format_exception(error.__cause__)) if error.__cause__ else ""
        return Status.FAILED, Failure("MODEL", str(error), log_tail=log_tail(cause))
    if isinstance(error, ManifestError):
        return Status.INVALID, Failure("DATA", str(error))
    text = "".join(traceback.format_exception(error))
    print(text, file=sys.stderr)
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    message = f"{type(error).__name__}: {error}{notes}"[:500]
    if died is None:
        return Status.FAILED, Failure("ERROR", message, log_tail=log_tail(text))
    status, kind, what = of_dead_worker(died, killed_for_memory)
    return status, Failure(kind, f"a worker process {what} ({message})", log_tail=log_tail(text))


def is_out_of_memory(framework: str, error: BaseException) -> bool:
    """Whether the error, or one of its causes, says that memory is full.

    It does if it is a MemoryError, if CUDA says so, or if `is_out_of_memory` of the framework's `device` module does.
    """
    return any(
        isinstance(part, MemoryError) or full_memory.of_gpu(str(part)) or _framework_says(framework, part)
        for part in _with_causes(error)
    )


def _framework_says(framework: str, error: BaseException) -> bool:
    # A framework that cannot be imported, whatever the reason, has raised no errors of its own.
    with contextlib.suppress(Exception):
        return bool(importlib.import_module(f"runners.{framework}.device").is_out_of_memory(error))
    return False


def _of_host(error: BaseException) -> bool:
    parts = list(_with_causes(error))
    told = any(full_memory.of_gpu(str(part)) for part in parts)
    return not told and any(isinstance(part, MemoryError) or full_memory.of_host(str(part)) for part in parts)


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def remember_dead_worker(error: Exception) -> None:
    """Keep with the error what `fault` asks for: once a loader is closed, nobody knows its workers any more."""
    vars(error)["died_worker"] = _dead_worker()


def _dead_worker() -> signal.Signals | None:
    """The signal that a child process died by, such as a worker of a loader.

    What a loader raises then rarely names the signal, and a loader ends its workers with SIGTERM itself.
    """
    for found in gc.get_objects():
        if issubclass(type(found), BaseProcess):
            with contextlib.suppress(ValueError, AssertionError):  # closed, or not a child of this process
                code = found.exitcode
                if code is not None and code < 0 and -code != signal.SIGTERM:
                    return signal.Signals(-code)
    return None


def of_dead_worker(died: signal.Signals, killed_for_memory: bool) -> tuple[Status, str, str]:
    """The status, the kind and what happened, in words, of a process that died by a signal."""
    if died is signal.SIGKILL and killed_for_memory:
        return Status.OOM, "OOM(host)", "was killed for memory"
    if died is signal.SIGBUS:
        return Status.CRASHED, "SHM", "died by SIGBUS: /dev/shm is too small for this case; fewer workers need less"
    return Status.CRASHED, f"CRASH({died.name})", f"died by {died.name}"
