"""The folder of a run: its plan, its records and its logs."""

import dataclasses
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from launcher.errors import UsageError, require_name
from launcher.plan.own_model import named
from method.schedule import Replicate
from method.validity import EVIDENCE, refusal
from runners.harness import strict_json
from runners.harness.files import read_regular
from runners.harness.own_model import OwnModel
from runners.harness.record import DAMAGED, NO_RECORD, RECORD_BYTES, SCHEMA_VERSION, Record
from runners.harness.run import PILOTS, RUN_BYTES, RUN_NAME, RUN_VERSION, Run, impossible, write_run


@dataclass(frozen=True)
class _Version:
    run_version: int


@dataclass(frozen=True)
class RunFolder:
    """The names in the folder of a run."""

    path: Path

    @property
    def records(self) -> Path:
        """One JSON file for each replicate."""
        return self.path / "records"

    @property
    def logs(self) -> Path:
        """The output of each replicate."""
        return self.path / "logs"

    @property
    def compiled(self) -> Path:
        """The run's compiler cache: a variant compiles for a case in its first block, and its other blocks use that.

        It is removed once the run is complete, since another run would find its first steps compiled.
        """
        return self.path / "compiled"

    def record_path(self, replicate: Replicate) -> Path:
        """The path of the replicate's record."""
        return self.records / f"{replicate.record_id}.json"

    @property
    def pilots(self) -> "RunFolder":
        """The folder of the pilots, which has the same form."""
        return RunFolder(self.path / PILOTS)

    def make(self) -> None:
        """Make the folders in it."""
        for path in (self.records, self.logs, self.compiled):
            path.mkdir(parents=True, exist_ok=True)

    def forget_compiled(self) -> None:
        """Remove the compiler caches of the run and of its pilots."""
        for folder in (self, self.pilots):
            shutil.rmtree(folder.compiled, ignore_errors=True)

    def write(self, run: Run) -> None:
        """Write the plan and its state."""
        write_run(run, self.path)


def create(out: Path, profile: str) -> RunFolder:
    """Make a folder that is named after the time and the profile."""
    folder = RunFolder(named_folder(out, profile))
    folder.make()
    return folder


def named_folder(out: Path, what: str) -> Path:
    """Make an empty folder that is named after the time and `what`."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{what}"
    for suffix in ("", *(f"-{number}" for number in range(2, 1000))):
        try:
            (out / f"{stem}{suffix}").mkdir()
        except FileExistsError:
            continue
        return out / f"{stem}{suffix}"
    raise UsageError(f"{out}: too many runs named {stem}")


def existing(out: Path, run_id: str) -> RunFolder:
    """The folder of an earlier run. An unknown name is a UsageError."""
    require_name("run", run_id, [path.parent.name for path in out.glob(f"*/{RUN_NAME}")])
    return RunFolder(out / run_id)


def load(folder: RunFolder) -> Run:
    """Read an earlier run back. A run of another version, or a damaged file, is a UsageError."""
    path = folder.path / RUN_NAME
    try:
        data = read_regular(path, RUN_BYTES)
        strict_json.loads(data)
        version = TypeAdapter(_Version).validate_json(data).run_version
        if version != RUN_VERSION:
            raise UsageError(
                f"{folder.path}: made by another version of the launcher (run version {version}, this one is "
                f"{RUN_VERSION}), so it cannot be resumed; start a new run"
            )
        run = TypeAdapter(Run).validate_json(data)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}), so the run cannot be resumed") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{folder.path}: cannot be resumed ({RUN_NAME}: {_said(error)}); start a new run") from error
    if why := impossible(run):
        raise UsageError(f"{folder.path}: cannot be resumed ({RUN_NAME}: {why}); start a new run")
    return run


def path_to_text(path: Path) -> str:
    """A path as run.json keeps it: each of its bytes is one character, since a name need not be UTF-8."""
    return os.fsencode(path).decode("latin-1")


def text_to_path(text: str) -> Path:
    """The path that `path_to_text` made this of."""
    return Path(os.fsdecode(text.encode("latin-1")))


def model_of(run: Run) -> OwnModel:
    """The user's own model, from the path that the run keeps."""
    return named(os.fsdecode(run.model.encode("latin-1")))


_RECORD: TypeAdapter[Record] = TypeAdapter(Record)


class BadRecord(ValueError):
    """Why a record cannot be used: `kind` is that of the failure which takes its place."""

    def __init__(self, message: str, kind: str = NO_RECORD) -> None:
        super().__init__(message)
        self.kind = kind


def read_record(folder: RunFolder, run: Run, replicate: Replicate) -> Record | None:
    """The replicate's record, or None where there is none. Raises BadRecord for all that a report would not compare."""
    try:
        data = read_regular(folder.record_path(replicate), RECORD_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadRecord(f"cannot be read ({error.strerror})") from error
    try:
        strict_json.loads(data)
        record = _RECORD.validate_json(data)
    except ValidationError as error:
        evidence = error.errors()[0]["loc"][:1] in [(name,) for name in EVIDENCE]
        raise BadRecord(_said(error), DAMAGED if evidence else NO_RECORD) from error
    except (ValueError, RecursionError) as error:
        raise BadRecord(_said(error)) from error
    if record.schema_version > SCHEMA_VERSION:
        raise BadRecord(f"schema_version {record.schema_version} does not exist")
    if refused := refusal(record):
        raise BadRecord(refused.failure.message, refused.kind)
    _require_place(record, run, replicate)
    return record


def _said(error: Exception) -> str:
    """The first fault of a file, in a few words."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if not isinstance(error, ValidationError):
        return f"{error}"
    fault = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else fault["msg"]


def _require_place(record: Record, run: Run, replicate: Replicate) -> None:
    """Raise BadRecord unless the record is about this replicate of this run."""
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
