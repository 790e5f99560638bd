"""Slurm's own commands: submit a job array, ask for its tasks, cancel it."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from launcher.errors import NotReady

COMMAND_SECONDS = 60.0
"""A busy controller answers within its MessageTimeout, which is 10 to 60 seconds in most clusters."""
COMMANDS = ("sbatch", "squeue", "scancel", "sinfo")
TIME_LIMIT, PARTITION = "SBATCH_TIMELIMIT", "SBATCH_PARTITION"
"""sbatch reads its defaults from SBATCH_… variables, but an option would overrule this variable."""
GPUS = re.compile(r"(?:^|,)gpu\b")
"""Of `gpu:a100:4(S:0-1),nvme:1`, the generic resources of a node as sinfo has them."""

HOPELESS = (
    "PartitionTimeLimit",
    "BadConstraints",
    "InvalidAccount",
    "InvalidQOS",
    "AccountNotAllowed",
    "QOSNotAllowed",
)
"""Reasons for which a pending task never starts."""


class TaskState(Enum):
    """What has become of a task, as far as it matters here."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "ended without a result"
    OUT_OF_TIME = "ended by Slurm at its time limit"
    OUT_OF_MEMORY = "ended by Slurm at its memory limit"
    NODE_FAILED = "its node failed"
    CANCELLED = "cancelled"
    FORGOTTEN = "ended, and Slurm no longer says how"


_STATES = {
    **dict.fromkeys(("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"), TaskState.WAITING),
    **dict.fromkeys(
        ("CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"),
        TaskState.RUNNING,
    ),
    **dict.fromkeys(("COMPLETED", "FAILED"), TaskState.DONE),
    **dict.fromkeys(("TIMEOUT", "DEADLINE"), TaskState.OUT_OF_TIME),
    **dict.fromkeys(("NODE_FAIL", "BOOT_FAIL", "PREEMPTED"), TaskState.NODE_FAILED),
    "OUT_OF_MEMORY": TaskState.OUT_OF_MEMORY,
    "CANCELLED": TaskState.CANCELLED,
    "REVOKED": TaskState.CANCELLED,
}
"""The job states of squeue's manual. A task that FAILED ended by itself: its records say how."""


class NoAnswer(Exception):
    """The controller did not answer; it may do so later."""


@dataclass(frozen=True)
class Task:
    """A task of a job array; `reason` says why it waits, `node` where it runs or ran."""

    state: TaskState
    reason: str = ""
    node: str = ""


@dataclass(frozen=True)
class Array:
    """A job array to submit: `tasks` of them, at most `at_once` at a time, each on a node with so many GPUs."""

    name: str
    partition: str
    gpus: int
    tasks: int
    at_once: int
    minutes: int
    command: Sequence[str]
    folder: Path
    logs: Path


def require(partition: str, device: str) -> None:
    """Raise NotReady unless Slurm's commands are here and its controller answers, and the partition can do the run.

    A run on a GPU needs a partition with nodes whose generic resources name GPUs.
    """
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        raise NotReady(
            f"ENGINE=slurm: no {missing[0]} on this machine; run this on a login node of the cluster, "
            "or use ENGINE=venv here"
        )
    try:
        answer = _answer(["sinfo", "--noheader", "--format", "%P|%G"])
    except NoAnswer as error:
        raise NotReady(f"ENGINE=slurm: Slurm's controller does not answer ({error}); try again later") from error
    offered = [line.partition("|")[::2] for line in answer.splitlines()]  # a line for each kind of nodes
    names = {name.rstrip("*") for name, _ in offered}
    if partition and partition not in names:
        known = ", ".join(sorted(names)) or "none"
        raise NotReady(f"PARTITION={partition}: the cluster has no such partition; it has {known}")
    default = next((name.rstrip("*") for name, _ in offered if name.endswith("*")), "")
    chosen = partition or os.environ.get(PARTITION) or default
    with_gpus = sorted({name.rstrip("*") for name, resources in offered if GPUS.search(resources)})
    if device == "gpu" and not set(chosen.split(",")) & set(with_gpus):
        advice = f"choose PARTITION={with_gpus[0]}" if with_gpus else "sinfo --format '%P %G' says what they have"
        where = f"partition {chosen}" if chosen else "the default partition"
        raise NotReady(f"DEVICE=gpu: Slurm knows of no GPU (GRES gpu) on the nodes of {where}; {advice}")


def submit(array: Array) -> str:
    """Submit the array; returns its job id. Raises NotReady with Slurm's own words where Slurm refuses it."""
    options = [
        *("--parsable", "--requeue", "--nodes=1", "--exclusive", "--mem=0", "--open-mode=append"),
        f"--array=0-{array.tasks - 1}%{array.at_once}",
        f"--job-name={array.name}",
        f"--chdir={array.folder}",
        f"--output={array.logs}/%A_%a.log",
        *([f"--partition={array.partition}"] if array.partition else []),
        *([f"--gres=gpu:{array.gpus}"] if array.gpus else []),
        *([] if os.environ.get(TIME_LIMIT) else [f"--time={array.minutes}"]),
    ]
    script = '#!/bin/bash\nexec "$@"\n'
    try:
        answer = _run(["sbatch", *options, "/dev/stdin", *array.command], script)
    except subprocess.TimeoutExpired as error:
        raise NoAnswer(f"sbatch did not answer within {COMMAND_SECONDS:g} s") from error
    if answer.returncode:
        raise NotReady(f"Slurm refused the jobs: {_said(answer)}")
    return answer.stdout.strip().partition(";")[0]


def tasks(job: str) -> dict[int, Task]:
    """The tasks that Slurm still knows, by index. It forgets a task some minutes after its end. Raises NoAnswer."""
    found: dict[int, Task] = {}
    try:
        text = _answer(["squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%K|%T|%r|%N"])
    except NoAnswer as error:
        if "Invalid job id" in str(error):
            return found
        raise
    for line in text.splitlines():
        index, state, reason, node = (*line.split("|"), "", "", "", "")[:4]
        if index.isdigit():
            found[int(index)] = Task(_STATES.get(state, TaskState.WAITING), reason, node)
    return found


def active(names: Sequence[str]) -> list[str]:
    """The job ids of this user's arrays with these names that have not ended. Raises NoAnswer."""
    asked = [f"--user={os.getuid()}", f"--name={','.join(names)}"]
    return sorted(set(_answer(["squeue", "--noheader", *asked, "--format=%F"]).split())) if names else []


def cancel(job: str) -> None:
    """Cancel the tasks of the array that have not ended. Raises NoAnswer."""
    _answer(["scancel", job])


def _answer(command: list[str]) -> str:
    try:
        answer = _run(command)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswer(str(error)) from error
    if answer.returncode:
        raise NoAnswer(_said(answer))
    return answer.stdout


def _run(command: list[str], stdin: str = "") -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=COMMAND_SECONDS, env=environment, check=False
    )


def _said(answer: "subprocess.CompletedProcess[str]") -> str:
    lines = (answer.stderr or answer.stdout).strip().splitlines()
    return "; ".join(line.partition("error: ")[2] or line for line in lines) or f"exit code {answer.returncode}"
