"""The folder of one run: its plan, its records, its logs."""

import dataclasses
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from launcher.build.programs import Build
from launcher.engines.engine import Limits
from launcher.errors import UsageError, require_name
from launcher.plan.cases import Planned
from launcher.plan.profile import Sampling
from method.schedule import Replicate
from runners.harness.files import write_atomically
from runners.harness.record import Record
from runners.harness.run import PILOTS, RUN_NAME, RUN_VERSION, Run, impossible, write_run

SETUP_NAME = "setup.json"
RECORD_LIMIT_BYTES = 32 * 2**20
"""Bytes of one record; reports refuse larger ones too."""


@dataclass(frozen=True)
class Setup:
    """How the run's replicates are started; with `run.json`, all that resuming needs.

    `samplings` and `timeouts` stand in the order of the run's cases; `manifests` holds file system bytes as Latin-1.
    `builds` is what each program runs from, `commit` and `dirty` the state of the sources when the run began.
    Before a case is measured, `pilots` processes of each competitor settle its warm-up there, and so its sampling;
    `slowdown` is injected into the second label of an A/A run.
    """

    samplings: list[Sampling]
    timeouts: list[float]
    cpus: list[int]
    memory_bytes: int
    manifests: dict[str, str]
    builds: dict[str, Build]
    commit: str | None
    dirty: bool | None
    pilots: int = 0
    slowdown: float = 1.0

    def manifest(self, workload: str) -> Path | None:
        """Where the data of a workload is described."""
        text = self.manifests.get(workload)
        return Path(os.fsdecode(text.encode("latin-1"))) if text else None


@dataclass(frozen=True)
class RunFolder:
    """Names inside the folder."""

    path: Path

    @property
    def records(self) -> Path:
        """One JSON file for each replicate."""
        return self.path / "records"

    @property
    def logs(self) -> Path:
        """What each replicate printed."""
        return self.path / "logs"

    @property
    def compiled(self) -> Path:
        """The run's own compiler cache: a variant compiles for a case once, cold, and its other blocks find that.

        Another run would take it for its own, and find its first steps warm: it goes once the run is complete.
        """
        return self.path / "compiled"

    def record_path(self, replicate: Replicate) -> Path:
        """Where the replicate's record is, or will be."""
        return self.records / f"{replicate.record_id}.json"

    @property
    def pilots(self) -> "RunFolder":
        """Where the pilots are: a small run of its own, of the same form."""
        return RunFolder(self.path / PILOTS)

    def make(self) -> None:
        """Make the folder's parts."""
        for path in (self.records, self.logs, self.compiled):
            path.mkdir(parents=True, exist_ok=True)

    def forget_compiled(self) -> None:
        """Remove the compiler cache, and what the pilots may have left of theirs."""
        for folder in (self, self.pilots):
            shutil.rmtree(folder.compiled, ignore_errors=True)

    def write(self, run: Run) -> None:
        """Keep the plan and its state."""
        write_run(run, self.path)

    def keep(self, setup: Setup) -> None:
        """Keep what resuming needs beside the run."""
        write_atomically(self.path / SETUP_NAME, TypeAdapter(Setup).dump_json(setup, indent=1))


def create(out: Path, profile: str) -> RunFolder:
    """A fresh folder named by the time of day and the profile."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{profile}"
    for suffix in ("", *(f"-{number}" for number in range(2, 1000))):
        folder = RunFolder(out / f"{stem}{suffix}")
        try:
            folder.path.mkdir()
        except FileExistsError:
            continue
        folder.make()
        return folder
    raise UsageError(f"{out}: too many runs named {stem}")


def existing(out: Path, run_id: str) -> RunFolder:
    """The folder of an earlier run. An unknown name is a UsageError."""
    require_name("run", run_id, [path.parent.name for path in out.glob(f"*/{RUN_NAME}")])
    return RunFolder(out / run_id)


def write_setup(
    folder: RunFolder,
    cases: Sequence[Planned],
    limits: Limits,
    manifests: Mapping[str, Path],
    builds: Mapping[str, Build],
    commit: tuple[str | None, bool | None],
    pilots: int = 0,
    slowdown: float = 1.0,
) -> Setup:
    """Keep how the run's replicates are started."""
    setup = Setup(
        samplings=[case.sampling for case in cases],
        timeouts=[case.timeout for case in cases],
        cpus=list(limits.cpus),
        memory_bytes=limits.memory_bytes,
        manifests={workload: os.fsencode(path).decode("latin-1") for workload, path in manifests.items()},
        builds=dict(builds),
        commit=commit[0],
        dirty=commit[1],
        pilots=pilots,
        slowdown=slowdown,
    )
    folder.keep(setup)
    return setup


def load(folder: RunFolder) -> tuple[Run, Setup]:
    """Read an earlier run back. A damaged file is a UsageError."""
    try:
        run = TypeAdapter(Run).validate_json((folder.path / RUN_NAME).read_bytes())
        setup = TypeAdapter(Setup).validate_json((folder.path / SETUP_NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"{folder.path}: cannot be resumed ({error}); start a new run") from error
    if run.run_version != RUN_VERSION:
        raise UsageError(f"{folder.path}: made by another version, in another order; start a new run")
    why = impossible(run)
    if why:
        raise UsageError(f"{folder.path}: cannot be resumed ({RUN_NAME}: {why}); start a new run")
    if not len(setup.samplings) == len(setup.timeouts) == len(run.cases):
        raise UsageError(f"{folder.path}: cannot be resumed ({SETUP_NAME} does not match {RUN_NAME}); start a new run")
    return run, setup


_RECORD: TypeAdapter[Record] = TypeAdapter(Record)


class BadRecord(ValueError):
    """A record that cannot be used, and why; `invalid` where it is whole but holds what no record may hold."""

    def __init__(self, message: str, invalid: bool = False) -> None:
        super().__init__(message)
        self.invalid = invalid


def read_record(folder: RunFolder, run: Run, replicate: Replicate) -> Record | None:
    """The replicate's record where it is whole and about this replicate; a BadRecord says what is wrong with it."""
    path = folder.record_path(replicate)
    try:
        if path.is_symlink() or path.stat().st_size > RECORD_LIMIT_BYTES:
            raise BadRecord(f"not a plain file of at most {RECORD_LIMIT_BYTES / 2**20:.0f} MiB")
        record = _RECORD.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        message = f"{place}: {fault['msg']}" if place else fault["msg"]
        raise BadRecord(message, fault["type"] != "json_invalid") from error
    case = run.cases[replicate.case].case
    found = (
        dataclasses.astuple(dataclasses.replace(record.block, started_at="")),
        record.record_id,
        record.run_id,
        record.competitor,
    )
    block = (replicate.block, replicate.position, replicate.sequence, run.order_seed, "")
    if found != (block, replicate.record_id, run.run_id, replicate.competitor):
        raise BadRecord("it is about another replicate")
    if record.case != case:
        names = [field.name for field in dataclasses.fields(case)]
        wrong = [name for name in names if getattr(record.case, name) != getattr(case, name)]
        raise BadRecord(f"it measured another case: {', '.join(wrong)} differs")
    return record
