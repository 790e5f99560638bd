"""The measurement of a run on a cluster: several blocks at a time, each on a node of its own."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path

from launcher.engines.engine import Outcome
from launcher.errors import ExitCode, NotReady, UsageError
from launcher.plan.estimate import Durations
from launcher.run.budget import Budget
from launcher.run.folder import RunFolder
from launcher.run.loop import Measurement
from launcher.run.progress import Display
from launcher.run.replicate import Replicator
from launcher.run.session import Measure
from launcher.slurm.files import Result
from launcher.slurm.jobs import Jobs, Lost
from launcher.slurm.scheduler import TaskState
from launcher.stop import Ending, Stop
from method.schedule import Replicate
from runners.harness.run import Run

Block = list[Replicate]

TRIES = 2
"""How often a block is submitted whose job is lost, for example with its node."""
KILLED = {
    TaskState.OUT_OF_TIME: Ending.TIMEOUT,
    TaskState.OUT_OF_MEMORY: Ending.EXITED,
}
"""How a replicate ended whose job Slurm killed for its time or its memory."""


def on_nodes(root: Path) -> Measure:
    """Makes the measurement of a run on a cluster; `root` is this project's folder, which the nodes see too."""

    def measurement(
        folder: RunFolder, run: Run, replicator: Replicator, durations: Durations, stop: Stop, budget: Budget
    ) -> Measurement:
        return ClusterMeasurement(folder, run, replicator, durations, stop, budget, Jobs(root, run, stop))

    return measurement


class ClusterMeasurement(Measurement):
    """Submits what is due as job arrays, and takes in the records of each job that ends."""

    def __init__(
        self,
        folder: RunFolder,
        run: Run,
        replicator: Replicator,
        durations: Durations,
        stop: Stop,
        budget: Budget,
        jobs: Jobs,
    ) -> None:
        super().__init__(folder, run, replicator, durations, stop, budget)
        self._jobs = jobs
        self._cancelled = False

    def carry_out(self, display: Display) -> Run:
        """Measure what is missing, after the jobs of an earlier launcher of this run are gone."""
        self._jobs.cancel_earlier(self._folder, display.say)
        return super().carry_out(display)

    def _scheduled_part(self, display: Display) -> bool:
        """Do the rest of the schedule. One block of each case goes ahead: who fails in it is left out of the others."""
        begun = {one.case for one in self._schedule[: self._done]}
        ahead: list[Block] = []
        rest: list[Block] = []
        for _, members in groupby(self._schedule[self._done :], lambda one: (one.case, one.block)):
            block = list(members)
            (rest if block[0].case in begun else ahead).append(block)
            begun.add(block[0].case)
        if not (self._wave(ahead, display) and self._wave(rest, display)):
            return False
        self._done = len(self._schedule)
        return True

    def _wave(self, blocks: Sequence[Block], display: Display) -> bool:
        """Do these blocks; False where the run ends early."""
        due = list(self._due(blocks, display))
        affordable: list[Block] = []
        for block in due:
            asked = [one for each in (*affordable, block) for one in each]
            if not self._is_due(block[0].sequence) and not self._fits(asked, display):
                break
            affordable.append(block)
        left = affordable
        for _ in range(TRIES):
            if left and not self._stop.requested and not self._cancelled:
                left = self._submit(left, display)
        return not left and not self._stop.requested and len(affordable) == len(due)

    def _due(self, blocks: Sequence[Block], display: Display) -> Iterator[Block]:
        """The replicates of these blocks that are to be measured. Records that are there already are taken in."""
        for block in blocks:
            kept = self._earlier(block)
            wanted = [one for one in block if not self._skipping.skips(one)]
            for replicate in block:
                if kept or replicate not in wanted:
                    display.skip()
                if replicate in wanted and replicate.competitor in kept:
                    self._observe(replicate, kept[replicate.competitor], display)
            if wanted and not kept:
                yield wanted

    def _submit(self, blocks: Sequence[Block], display: Display) -> list[Block]:
        """Measure these blocks, and return those whose jobs were lost."""
        lost: list[Block] = []
        names = [[one.record_id for one in block] for block in blocks]
        longest = max(sum(self._run.cases[one.case].timeout for one in block) for block in blocks)
        with closing(self._jobs.measure(self._folder, names, longest, display.say)) as ended:
            for index, found in ended:
                if isinstance(found, Result):
                    self._take(blocks[index], found, display)
                    continue
                display.say(str(found))
                self.failed = True
                if found.task.state in KILLED:
                    self._killed(blocks[index], found, display)
                else:
                    self._cancelled |= found.task.state is TaskState.CANCELLED
                    lost.append(blocks[index])
        return lost

    def _take(self, block: Block, result: Result, display: Display) -> None:
        """Take in the records of a block."""
        if result.fault:
            kind = UsageError if result.code == ExitCode.USAGE else NotReady
            raise kind(f"node {result.node}: {result.fault}")
        self._replicator.flags += result.flags
        for replicate in block:
            record = self._replicator.earlier(replicate)
            if record is not None:
                self._account(replicate, record, result.seconds.get(replicate.record_id, 0.0), display)
                self._observe(replicate, record, display)

    def _killed(self, block: Block, lost: Lost, display: Display) -> None:
        """Write down that the replicate failed at which Slurm killed the job; the block's others can be resumed."""
        outcome = Outcome(
            KILLED[lost.task.state],
            None,
            lost.task.state is TaskState.OUT_OF_MEMORY,
            f"{lost}; SBATCH_TIMELIMIT=minutes allows more time"
            if lost.task.state is TaskState.OUT_OF_TIME
            else str(lost),
        )
        for replicate in block:
            record = self._replicator.earlier(replicate)
            if record is None:
                record = self._replicator.give_up(replicate, outcome)
                outcome = Outcome(Ending.LOST, None, message=f"{lost}, before this replicate ran")
            self._observe(replicate, record, display)
