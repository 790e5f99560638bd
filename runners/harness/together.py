"""Starts the processes of a replicate of `scale`, and ends them all when one of them ends.

Process 0 measures and writes the record. If another process fails first, this process writes a record that names it.
"""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from runners.harness import memory
from runners.harness.case import Case
from runners.harness.faults import of_dead_worker
from runners.harness.files import write_atomically
from runners.harness.host import host, visible_cpus
from runners.harness.options import Options
from runners.harness.rank import VARIABLE, Rank, own
from runners.harness.record import Failure, Record, Status, to_json
from runners.harness.workload import Framework

GPUS = "CUDA_VISIBLE_DEVICES"
CLAIM = "first"
"""The file with the rank of the process that failed first. Others then fail because they can no longer reach it."""
GRACE_SECONDS = 5.0
"""How long the others may take to fail too, before the reason is looked for."""


def attempt(
    framework: Framework, options: Options, record: Record, arguments: Sequence[str], folder: Path
) -> Record | int:
    """Run the replicate in the processes of its case: the exit code of process 0, or the record of what went wrong.

    `folder` is for files of all processes; the caller removes it.
    """
    count = record.case.processes or 1
    reason = _indivisible(record.case, options.threads, count)
    if reason:
        return _failed(framework, record, Status.UNSUPPORTED, Failure("UNSUPPORTED", reason))
    killed_before = memory.killed_processes()
    command = [sys.executable, "-m", f"runners.{framework.name}", *arguments, "--record-id", options.record_id]
    with _started(command, count, record.case.device, folder) as ranks:
        first, code = _next_end(ranks)
        if first == 0 and code == 0:
            return 0
        ended = {first: code, **_ended_soon(ranks)}
    culprit = _culprit(ended, folder)
    code = ended.get(culprit, 1)
    if code < 0:
        killed = memory.killed_processes() > killed_before
        status, kind, what = of_dead_worker(signal.Signals(-code), killed)
        return _failed(framework, record, status, Failure(kind, f"process {culprit} of {count} {what}", code))
    if culprit == 0:
        return code
    status, failure = _left_behind(folder / f"{culprit}.json")
    named = f"process {culprit} of {count}: {failure.message}"
    return _failed(framework, record, status, dataclasses.replace(failure, message=named))


def claim() -> None:
    """Note that this process failed, if it is the first. Call it before the failure can reach another process."""
    rank = own()
    if rank.count > 1:
        with suppress(FileExistsError), open(Path(rank.folder, CLAIM), "x", encoding="ascii") as file:
            file.write(str(rank.number))


def leave_behind(record: Record) -> int:
    """Tell the parent of this process, which is not process 0, how it ended. Returns the exit code."""
    rank = own()
    if record.error:
        write_atomically(Path(rank.folder, f"{rank.number}.json"), to_json(record))
    return 1 if record.error else 0


def _indivisible(case: Case, threads: int, count: int) -> str | None:
    divided = {"CPUs": visible_cpus(), "threads": threads}
    if case.global_batch == "fixed":
        divided["images of the batch"] = case.batch_size
    for what, number in divided.items():
        if number % count:
            return f"{number} {what} cannot be divided evenly between {count} processes"
    shown = os.environ.get(GPUS)
    if case.device == "gpu" and shown is not None and len(shown.split(",")) < count:
        return f"{count} processes need {count} GPUs; {GPUS} shows {len(shown.split(','))}"
    return None


@contextmanager
def _started(command: Sequence[str], count: int, device: str, folder: Path) -> Iterator[dict[int, int]]:
    """The living processes: rank by process id. All of them have ended afterwards."""
    ranks: dict[int, int] = {}
    children = []
    pipes = [os.pipe() for _ in range(1, count)]
    ports = _free_ports(count)
    try:
        for number in range(count):
            kept = [pipes[number - 1][0]] if number else [end for _, end in pipes]
            rank = Rank(number, count, os.getpid(), ports, tuple(kept), str(folder))
            environment = {**os.environ, **_gpu_of(number, device), VARIABLE: json.dumps(dataclasses.asdict(rank))}
            child = subprocess.Popen(command, env={**environment, "TMPDIR": str(folder)}, pass_fds=kept)
            children.append(child)
            ranks[child.pid] = number
        for ends in pipes:  # the last end to write is then in process 0: when it ends, the others read the end
            for end in ends:
                os.close(end)
        pipes = []
        yield ranks
    finally:
        for child in children:
            if child.pid in ranks:
                child.kill()
                child.wait()
            else:
                child.returncode = 0  # already waited for
        for ends in pipes:
            for end in ends:
                os.close(end)


def _gpu_of(number: int, device: str) -> Mapping[str, str]:
    """One GPU for each process, in the order in which this process sees them."""
    if device != "gpu":
        return {}
    shown = os.environ.get(GPUS)
    return {GPUS: shown.split(",")[number] if shown else str(number)}


def _free_ports(count: int) -> tuple[int, ...]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return tuple(one.getsockname()[1] for one in sockets)


def _next_end(ranks: dict[int, int]) -> tuple[int, int]:
    """Wait for a process to end: its rank, and its exit code, negative for a signal."""
    pid, status = os.wait()
    return ranks.pop(pid), os.waitstatus_to_exitcode(status)


def _ended_soon(ranks: dict[int, int]) -> dict[int, int]:
    """The exit codes of further processes that end by themselves."""
    ended = {}
    until = time.monotonic() + GRACE_SECONDS
    while ranks and time.monotonic() < until:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            ended[ranks.pop(pid)] = os.waitstatus_to_exitcode(status)
        else:
            time.sleep(0.05)
    return ended


def _culprit(ended: Mapping[int, int], folder: Path) -> int:
    """The rank of the process that failed first; `ended` has the exit codes in the order of the ends."""
    claimed = (folder / CLAIM).read_text(encoding="ascii") if (folder / CLAIM).exists() else ""
    first = next(iter(ended))
    if ended[first] < 0 or str(first) == claimed:
        return first
    killed = [number for number, code in ended.items() if code < 0]
    return killed[0] if killed else int(claimed or first)


def _left_behind(path: Path) -> tuple[Status, Failure]:
    try:
        told = json.loads(path.read_bytes())
        return Status(told["status"]), Failure(**told["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return Status.FAILED, Failure("ERROR", "it ended without a word; see the log")


def _failed(framework: Framework, record: Record, status: Status, failure: Failure) -> Record:
    facts, unknown = host(framework.distributions, record.case.device)
    return dataclasses.replace(record, status=status, error=failure, host=facts, unknown=unknown)
