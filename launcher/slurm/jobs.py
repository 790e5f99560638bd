"""Submits blocks as a job array, and hands their results on as they come."""

import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import NotReady
from launcher.gpus import most_processes
from launcher.run.folder import RunFolder
from launcher.slurm import scheduler
from launcher.slurm.files import Result, jobs_folder, read_result, result_path, write_blocks
from launcher.slurm.scheduler import HOPELESS, Array, NoAnswer, Task, TaskState
from launcher.stop import POLL_SECONDS, Stop
from launcher.text import duration
from runners.harness.clock import now_ns
from runners.harness.run import Run

Say = Callable[[str], None]
"""Shows a line to the user."""

ASK_SECONDS = 5.0
"""Clusters ask their users not to call squeue more often than every few seconds."""
LATE_SECONDS = 90.0
"""How long the result of an ended job may stay invisible: an NFS client remembers a missing file for up to a minute."""
PATIENCE_SECONDS = 1800.0
"""How long the controller may be silent, for example while it restarts."""
SPARE_SECONDS = 300.0
"""The part of a job's time limit for its start and its end."""


@dataclass(frozen=True)
class Lost:
    """A job that left no result, as Slurm last knew it."""

    job: str
    task: Task

    def __str__(self) -> str:
        place = f" on {self.task.node}" if self.task.node else ""
        return f"Slurm's job {self.job}{place}: {self.task.state.value}"


class Jobs:
    """Submits blocks of a run to its partition, at most as many at once as the run has nodes."""

    def __init__(self, root: Path, run: Run, stop: Stop, clock: Callable[[], int] = now_ns) -> None:
        self._root, self._nodes = root, run.at_once
        self._partition = run.settings.get("partition", "")
        self._gpus = most_processes(run.cases) if run.settings.get("device") == "gpu" else 0
        self._stop, self._clock = stop, clock

    def cancel_earlier(self, folder: RunFolder, say: Say) -> None:
        """Cancel the arrays of an earlier launcher of this run, which may have lost its connection to them.

        Their blocks that are whole are kept. The others are measured again.
        """
        try:
            for job in scheduler.active([_name(folder, path) for path in jobs_folder(folder).glob("*.json")]):
                say(f"cancelled job array {job}, which an earlier launcher of this run had submitted")
                scheduler.cancel(job)
        except NoAnswer as error:
            raise NotReady(f"Slurm's controller does not answer ({error}); try again later") from error

    def measure(
        self, folder: RunFolder, blocks: Sequence[Sequence[str]], seconds: float, say: Say
    ) -> Generator[tuple[int, Result | Lost]]:
        """Submit the blocks, each given as its record ids; yields the index and the result of each as it ends.

        `seconds` is what the longest block may take. A request to stop ends the iteration. However the iteration ends,
        no job of the array goes on.
        """
        listed = write_blocks(folder, blocks)
        job = scheduler.submit(
            Array(
                name=_name(folder, listed),
                partition=self._partition,
                gpus=self._gpus,
                tasks=len(blocks),
                at_once=self._nodes,
                minutes=int((seconds + SPARE_SECONDS) // 60),
                command=[sys.executable, "-m", "launcher", "block", str(listed)],
                folder=self._root,
                logs=jobs_folder(folder),
            )
        )
        say(f"submitted {len(blocks)} blocks as job array {job}, at most {self._nodes} at once")
        watch = _Watch(job, len(blocks), say, self._clock)
        waiting = set(range(len(blocks)))
        try:
            while waiting and not self._stop.requested:
                watch.ask()
                for index in sorted(waiting):
                    found = read_result(result_path(listed, index)) or watch.lost(index)
                    if found:
                        waiting.remove(index)
                        yield index, found
                self._pause(bool(waiting))
        finally:
            if waiting:
                _cancel(job, say)

    def _pause(self, wanted: bool) -> None:
        deadline = self._clock() + int(ASK_SECONDS * 1e9)
        while wanted and self._clock() < deadline and not self._stop.requested:
            time.sleep(POLL_SECONDS)


def _cancel(job: str, say: Say) -> None:
    try:
        scheduler.cancel(job)
    except NoAnswer as error:
        say(f"Slurm does not answer, so job array {job} may go on ({error}); end it with: scancel {job}")


def _name(folder: RunFolder, listed: Path) -> str:
    """The name of an array, which no other array of any run has."""
    return "-".join(("levelfield", *folder.path.parts[-2:], listed.stem))


class _Watch:
    """What Slurm says about the tasks of an array."""

    def __init__(self, job: str, tasks: int, say: Say, clock: Callable[[], int]) -> None:
        self._job, self._say, self._clock = job, say, clock
        self._tasks = dict.fromkeys(range(tasks), Task(TaskState.WAITING))
        self._answered_at = clock()
        self._ended_at: dict[int, int] = {}
        self._told = ""

    def ask(self) -> None:
        """Ask once. Raises NotReady where the array can never start, or where Slurm has been silent for too long."""
        try:
            answer = scheduler.tasks(self._job)
        except NoAnswer as error:
            silent = (self._clock() - self._answered_at) / 1e9
            if silent > PATIENCE_SECONDS:
                raise NotReady(
                    f"Slurm has not answered for {duration(silent)} ({error}); resume the run later"
                ) from error
            self._tell(f"Slurm does not answer ({error}); waiting for it")
            return
        self._answered_at = self._clock()
        # Slurm forgets a task some minutes after its end, and at once if the task is cancelled before it starts.
        self._tasks = {
            index: answer.get(index, Task(TaskState.FORGOTTEN, node=task.node)) for index, task in self._tasks.items()
        }
        reasons = {task.reason for task in answer.values() if task.state is TaskState.WAITING} - {"None"}
        hopeless = reasons & set(HOPELESS)
        if hopeless:
            raise NotReady(f"job array {self._job} can never start: Slurm says {', '.join(sorted(hopeless))}")
        if reasons and not any(task.state is TaskState.RUNNING for task in answer.values()):
            self._tell(f"job array {self._job} waits for nodes: {', '.join(sorted(reasons))}")

    def lost(self, index: int) -> Lost | None:
        """The task, if it ended some time ago; its result is missing."""
        task = self._tasks[index]
        if task.state in (TaskState.WAITING, TaskState.RUNNING):
            self._ended_at.pop(index, None)
            return None
        since = self._ended_at.setdefault(index, self._clock())
        late = (self._clock() - since) / 1e9 > LATE_SECONDS
        may_come = task.state in (TaskState.DONE, TaskState.FORGOTTEN)
        return Lost(f"{self._job}_{index}", task) if late or not may_come else None

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._say(text)
