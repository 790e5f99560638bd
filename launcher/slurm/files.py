"""What the submitting launcher and its jobs tell each other through the run's folder, which both see."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from launcher.errors import UsageError
from launcher.run.folder import RunFolder
from runners.harness.files import write_atomically


@dataclass(frozen=True)
class Result:
    """What a job leaves beside its records.

    `seconds` has the time that each replicate took, by record id. `flags` are warnings about records. `fault` says why
    the job ended before its last replicate, with the exit code that this calls for.
    """

    node: str
    seconds: dict[str, float] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    fault: str = ""
    code: int = 0


_BLOCKS: TypeAdapter[list[list[str]]] = TypeAdapter(list[list[str]])
_RESULT: TypeAdapter[Result] = TypeAdapter(Result)


def jobs_folder(folder: RunFolder) -> Path:
    """Where the lists of blocks, the results and the logs of the jobs are."""
    return folder.path / "jobs"


def run_folder(blocks: Path) -> RunFolder:
    """The run's folder, from the path of a list of blocks."""
    return RunFolder(blocks.parent.parent)


def write_blocks(folder: RunFolder, blocks: Sequence[Sequence[str]]) -> Path:
    """List the blocks of a new array, each as the record ids that it is to leave. Task i measures the block at i."""
    jobs = jobs_folder(folder)
    jobs.mkdir(exist_ok=True)
    path = jobs / f"{len(list(jobs.glob('*.json'))):03d}.json"
    write_atomically(path, json.dumps(blocks).encode("ascii"))
    return path


def read_blocks(path: Path) -> list[list[str]]:
    """Read such a list. Raises UsageError where there is none, or a damaged one."""
    try:
        return _BLOCKS.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"{path}: not a list of blocks ({error})") from error


def result_path(blocks: Path, task: int) -> Path:
    """Where the task with this index leaves its result."""
    return blocks.with_suffix(f".{task}.done")


def write_result(path: Path, result: Result) -> None:
    """Write a result, completely or not at all."""
    write_atomically(path, json.dumps(dataclasses.asdict(result)).encode("ascii"))


def read_result(path: Path) -> Result | None:
    """A task's result, or None where there is none yet. On a shared file system it may show late."""
    try:
        list(path.parent.iterdir())  # makes NFS look again, whose clients remember for a while that a file is missing
        return _RESULT.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
