"""Runs a replicate on an engine and sees to it that it leaves one record, whatever happens to its process."""

import dataclasses
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from launcher.datasets.assignment import Dataset, is_still
from launcher.engines.engine import Engine, Job, Outcome
from launcher.engines.log import MOST_BYTES as LOG_BYTES
from launcher.engines.outcomes import failure
from launcher.errors import NotReady
from launcher.plan.own_model import is_still as is_still_model
from launcher.run.arguments import case_arguments, order_arguments
from launcher.run.folder import BadRecord, RunFolder, model_of, read_record
from launcher.stop import POLL_SECONDS, Ending, Stop
from method.schedule import Replicate
from runners.harness.case import Block
from runners.harness.cli import NOT_READY
from runners.harness.clock import now_ns, wall_time
from runners.harness.files import read_regular
from runners.harness.record import LOST, NO_RECORD, SCHEMA_VERSION, Failure, Record, Status, log_tail, write_record
from runners.harness.run import Run

LOG_TAIL_BYTES = 65_536
TERMINATED = (-signal.SIGTERM, 128 + signal.SIGTERM)


class Replicator:
    """Starts the replicates of a run, one at a time; `flags` are warnings about their records."""

    def __init__(
        self,
        folder: RunFolder,
        run: Run,
        engine: Engine,
        datasets: Mapping[str, Dataset],
        stop: Stop,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        self.flags: list[str] = []
        self._folder, self._run, self._engine = folder, run, engine
        self._datasets, self._stop, self._clock = datasets, stop, clock

    def earlier(self, replicate: Replicate) -> Record | None:
        """The replicate's record, if it has one; a LOST replicate is measured again."""
        try:
            record = read_record(self._folder, self._run, replicate)
        except BadRecord:
            return None
        return None if record and record.error and record.error.kind == LOST else record

    def measure(self, replicate: Replicate) -> tuple[Record, float] | None:
        """Measure the replicate: its record and the seconds that it took, or None where the run is to end."""
        self._folder.make()
        self._clear(replicate)
        began, started_at = self._clock(), wall_time()
        job = self._job(replicate)
        outcome = self._engine.run(job, self._stop)
        seconds = (self._clock() - began) / 1e9
        record = self._settled(replicate, job, outcome, started_at)
        return None if record is None else (record, seconds)

    def give_up(self, replicate: Replicate, outcome: Outcome) -> Record:
        """Write the record of a replicate that ended so elsewhere, and left none."""
        return self._write_failure(replicate, self._job(replicate), outcome, wall_time(), None)

    def _job(self, replicate: Replicate) -> Job:
        planned = self._run.cases[replicate.case]
        case = planned.case
        dataset = self._datasets.get(case.workload) if case.dataset else None
        sampling = planned.sampling_of(replicate.competitor)
        return Job(
            run_id=self._run.run_id,
            record_id=replicate.record_id,
            competitor=replicate.competitor,
            case_arguments=case_arguments(case, replicate, sampling, len(self._run.cpus), self._run.slowdown),
            order_arguments=order_arguments(replicate, self._run.run_id, self._run.order_seed),
            records=self._folder.records,
            compiled=self._folder.compiled,
            log=self._folder.logs / f"{replicate.record_id}.log",
            device=case.device,
            timeout=planned.timeout,
            manifest=dataset.path if dataset else None,
            data=dataset.root if dataset else None,
            model=model_of(self._run) if case.model else None,
            provenance={"commit": self._run.commit, "dirty": self._run.dirty},
            processes=case.processes or 1,
        )

    def _settled(self, replicate: Replicate, job: Job, outcome: Outcome, started_at: str) -> Record | None:
        """The runner's record, or a record that says why it left none; None where the run is to end."""
        problem: BadRecord | None = None
        try:
            record = read_record(self._folder, self._run, replicate)
        except BadRecord as error:
            problem, record = error, None
        self._remove_temporary(replicate)
        if (record is None or record.status is not Status.OK) and self._stopping(outcome):
            self._set_aside(replicate)
            return None
        if record and not (outcome.out_of_memory and record.status is not Status.OK):
            if record.status is Status.OK and (outcome.ending is not Ending.EXITED or outcome.code != 0):
                how = f"exit code {outcome.code}" if outcome.ending is Ending.EXITED else outcome.ending.value
                self.flags.append(f"{replicate.record_id}: ended with {how} after a valid record")
            return record
        if outcome.ending is Ending.EXITED and outcome.code == NOT_READY and problem is None:
            raise NotReady(
                f"{self._folder.records}: no record could be written there ({log_tail(_tail(job.log), 1)}); "
                f"mend that, then resume with RUN={self._run.run_id}"
            )
        return self._write_failure(replicate, job, outcome, started_at, problem)

    def _stopping(self, outcome: Outcome) -> bool:
        """Whether the replicate ended because the run is to end: then it is measured again when the run is resumed."""
        if outcome.ending is Ending.EXITED and outcome.code in TERMINATED:
            # A scheduler that stops the whole job signals the launcher too, but maybe later.
            time.sleep(POLL_SECONDS)
        return self._stop.requested or outcome.ending is Ending.INTERRUPTED

    def _write_failure(
        self, replicate: Replicate, job: Job, outcome: Outcome, started_at: str, problem: BadRecord | None
    ) -> Record:
        rejected = self._set_aside(replicate)
        status, reason = failure(outcome, job.timeout, self._run.memory_bytes, _tail(job.log))
        if problem:
            what = f"{rejected}: {problem}"
            reason = dataclasses.replace(reason, message=f"{reason.message} ({what})")
            if problem.kind != NO_RECORD:
                status, reason = Status.INVALID, Failure(problem.kind, what, outcome.code, reason.log_tail)
        case = self._run.cases[replicate.case].case
        if outcome.ending is Ending.EXITED and case.dataset and not is_still(self._datasets[case.workload], case):
            status, message = Status.INVALID, f"{job.manifest}: the data changed during the run; start a new run"
            reason = Failure("DATA", message, outcome.code, reason.log_tail)
        if outcome.ending is Ending.EXITED and case.model and not is_still_model(model_of(self._run), case):
            status, message = Status.INVALID, f"{job.model}: the file changed during the run; start a new run"
            reason = Failure("MODEL", message, outcome.code, reason.log_tail)
        record = Record(
            schema_version=SCHEMA_VERSION,
            record_id=replicate.record_id,
            run_id=self._run.run_id,
            status=status,
            error=reason,
            case=case,
            competitor=replicate.competitor,
            block=Block(replicate.block, replicate.position, replicate.sequence, self._run.order_seed, started_at),
            command=["python", "-m", f"runners.{job.competitor.framework}", *job.case_arguments],
        )
        write_record(record, self._folder.records)
        return record

    def _clear(self, replicate: Replicate) -> None:
        """Remove what an earlier attempt left, so that it does not pass for this replicate's record."""
        self._remove_temporary(replicate)
        self._set_aside(replicate)

    def _set_aside(self, replicate: Replicate) -> Path:
        """Move the replicate's record, if there is one, out of the folder of records."""
        path, rejected = self._folder.record_path(replicate), self._folder.logs / f"{replicate.record_id}.rejected"
        if os.path.lexists(path):
            _remove(rejected)
            path.replace(rejected)
        return rejected

    def _remove_temporary(self, replicate: Replicate) -> None:
        for path in self._folder.records.glob(f".{replicate.record_id[:30]}*.tmp"):
            _remove(path)


def _remove(path: Path) -> None:
    """Remove whatever a runner made there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _tail(log: Path) -> str:
    try:
        text = read_regular(log, LOG_BYTES)[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
    except OSError:
        return ""
    return log_tail(text)
