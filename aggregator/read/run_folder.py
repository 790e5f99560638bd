"""Reads a run's folder strictly. What cannot be trusted is quarantined and named; the rest is reported."""

import difflib
import json
import stat
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from pydantic import ValidationError

from aggregator.base.text import clean
from aggregator.read.older_runs import upgraded
from aggregator.read.parse import NewerSchema
from aggregator.read.record_files import read_records
from aggregator.read.schema import run_adapter
from runners.harness.files import read_regular
from runners.harness.record import Record, Status
from runners.harness.run import HOSTS_NAME, PILOTS, RUN_BYTES, RUN_NAME, RUN_VERSION, Run, RunState, impossible
from runners.harness.strict_json import RepeatedKey

RUN_ORDER = attrgetter("block.sequence", "record_id")
NO_PLAN = f"{RUN_NAME} is missing, so what was planned is unknown"


class CannotReport(Exception):
    """There is nothing to report on; the message says why and what to do (exit 2)."""


@dataclass(frozen=True)
class Quarantined:
    """A file that is not a usable record: which, from which byte on (where that is known), and why."""

    file: str
    offset: int | None
    reason: str


@dataclass(frozen=True)
class LoadedRun:
    """One run's folder, read; its records are in run order."""

    name: str
    plan: Run | None
    records: tuple[Record, ...]
    quarantined: tuple[Quarantined, ...]
    problems: tuple[str, ...] = field(default=())
    """Why the run as a whole is incomplete or doubtful, in sentences."""
    duplicates: int = 0
    """Files that hold what another file of the run holds already."""


def find_run(argument: str, results: Path = Path("results")) -> Path:
    """The folder that `argument` names: a path, or a run's id under results/. Raises CannotReport."""
    if not argument:
        raise CannotReport("a run's name is empty; give its folder, or its id under results/")
    for folder in (Path(argument), results / argument):
        try:
            if "\0" not in argument and stat.S_ISDIR(folder.stat().st_mode):
                return folder
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise CannotReport(f"{folder}: cannot be read ({error.strerror})") from error
    known = _runs(results)
    close = difflib.get_close_matches(Path(argument).name, known, 1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else f"runs under {results}/: {', '.join(known[-5:]) or 'none'}"
    raise CannotReport(f"no run at {argument!r}; {hint}")


def _runs(results: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in results.iterdir() if entry.is_dir())
    except OSError:
        return []


def load_run(folder: Path) -> LoadedRun:
    """Read run.json and every record of `folder`. Raises CannotReport where there is nothing to report."""
    plan, problems = _read_plan(folder)
    read, quarantined = _read(folder / "records")
    kept, refused, duplicates = _consistent(read, plan)
    if not kept and not quarantined and not refused and not (plan and plan.cases):
        raise CannotReport(f"{folder}: no records and no planned case; run the benchmark first")
    if not kept:
        problems.append("no usable record was found")
    quarantined += refused
    name = plan.run_id if plan else folder.resolve().name
    ordered = sorted(quarantined, key=lambda item: (item.file, item.reason))
    return LoadedRun(name, plan, tuple(kept), tuple(ordered), tuple(problems), duplicates)


def load_pilots(folder: Path) -> tuple[tuple[Record, ...], tuple[Quarantined, ...]]:
    """The records of the run's pilots, none where it had none. Raises CannotReport."""
    if (folder / PILOTS).is_symlink():
        return (), (Quarantined(PILOTS, None, "is a link, not a folder; not followed"),)
    read, quarantined = _read(folder / PILOTS / "records")
    kept, refused, _ = _consistent(read, _read_plan(folder)[0])
    return tuple(kept), (*quarantined, *refused)


def _read(folder: Path) -> tuple[list[tuple[str, Record]], list[Quarantined]]:
    try:
        read, refused = read_records(folder)
    except NewerSchema as error:
        raise CannotReport(f"{error}; upgrade this program to read it") from error
    except OSError as error:
        raise CannotReport(f"{folder}: cannot be read ({error.strerror})") from error
    return read, [Quarantined(name, error.offset, str(error)) for name, error in refused]


def _read_plan(folder: Path) -> tuple[Run | None, list[str]]:
    path = folder / RUN_NAME
    try:
        data = read_regular(path, RUN_BYTES)
    except FileNotFoundError:
        return None, [NO_PLAN]
    except OSError as error:
        return None, [f"{RUN_NAME} cannot be read ({error.strerror}), so what was planned is unknown"]
    try:
        plan = run_adapter().validate_json(upgraded(data))
    except RepeatedKey as error:
        return None, [f"{RUN_NAME} is not valid ({clean(str(error), 120)}), so what was planned is unknown"]
    except ValidationError as error:
        _refuse_newer_plan(path, data)
        first = error.errors()[0]
        where = clean(".".join(str(part) for part in first["loc"]), 120)
        return None, [
            f"{RUN_NAME} is not valid ({where or 'whole file'}: {first['msg']}), so what was planned is unknown"
        ]
    _refuse_newer_plan(path, data)
    why = impossible(plan)
    if why:
        return None, [f"{RUN_NAME} is not valid ({why}), so what was planned is unknown"]
    return plan, [] if plan.state is RunState.COMPLETE else [_unfinished(plan, group_of(folder) or plan.run_id)]


def group_of(folder: Path) -> str:
    """The name of the run on several hosts that this folder is a part of; empty for a run of its own."""
    parent = folder.resolve().parent
    return parent.name if (parent / HOSTS_NAME).is_file() else ""


def _unfinished(plan: Run, name: str) -> str:
    """That the run did not finish, and how it goes on: where its time was up, with more of it."""
    longer = " BUDGET=…, longer than it had" if plan.budget_cuts_planned else ""
    return f"the run did not finish (state: {plan.state}); to go on: make bench RUN={clean(name, 80)}{longer}"


def _refuse_newer_plan(path: Path, data: bytes) -> None:
    try:
        version = json.loads(data).get("run_version")
    except (ValueError, AttributeError, RecursionError):
        return
    if isinstance(version, int) and version > RUN_VERSION:
        raise CannotReport(
            f"{path}: run version {version}, this program reads {RUN_VERSION}; upgrade it to read this run"
        )


def _consistent(read: list[tuple[str, Record]], plan: Run | None) -> tuple[list[Record], list[Quarantined], int]:
    """The records that count, the files that are refused, and the number of duplicates.

    Refused are records of another run, second attempts at one replicate, and all files of one id that differ: nobody
    can tell which of them was measured.
    """
    refused = [
        Quarantined(file, None, f"belongs to run {record.run_id}, not {plan.run_id}")
        for file, record in read
        if plan and record.run_id != plan.run_id
    ]
    by_id: dict[str, list[tuple[str, Record]]] = {}
    for file, record in read:
        if plan is None or record.run_id == plan.run_id:
            by_id.setdefault(record.record_id, []).append((file, record))
    single: list[tuple[str, Record]] = []
    duplicates = 0
    for (file, record), *others in by_id.values():
        if all(other == record for _, other in others):
            single.append((file, record))
            duplicates += len(others)
        else:
            refused += _contradictory([file, *(name for name, _ in others)])
    kept: dict[object, tuple[str, Record]] = {}
    for file, record in sorted(single, key=_rank):
        first, _ = kept.setdefault(_slot(record), (file, record))
        if first != file:
            refused.append(Quarantined(file, None, f"a further attempt at the replicate that {first} is about"))
    return sorted((record for _, record in kept.values()), key=RUN_ORDER), refused, duplicates


def _contradictory(files: list[str]) -> list[Quarantined]:
    """The files, each with the others that have its record_id."""
    return [
        Quarantined(
            file, None, f"differs from {', '.join(other for other in files if other != file)}, of the same record_id"
        )
        for file in files
    ]


def _rank(entry: tuple[str, Record]) -> tuple[object, ...]:
    """An attempt that worked takes its slot before one that failed; between equals the earlier one does."""
    file, record = entry
    return record.status is not Status.OK, record.block.sequence, record.record_id, file


def _slot(record: Record) -> tuple[object, ...]:
    """What one replicate fills, however often it is tried."""
    return record.run_id, record.case, record.competitor, record.block.number
