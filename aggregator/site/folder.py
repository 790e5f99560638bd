"""The site's folder: whether publish may write to it, the runs in it, and writing a run."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from aggregator.base.text import clean
from aggregator.read.parse import BadRecord
from aggregator.read.run_folder import CannotReport, LoadedRun
from aggregator.report.model import Report
from aggregator.report.page.card import NAME as CARD
from aggregator.report.page.write import FIGURES, write_report
from aggregator.site.summary import SUMMARY_VERSION, RunSummary, impossible, is_earlier_state, summary_adapter, to_json
from runners.harness.files import read_regular, write_atomically

MARK = "Made by Levelfield's publish.\n"
GENERATOR = b'<meta name="generator" content="Levelfield">'
MARKER, INDEX, RUNS, SUMMARY = ".nojekyll", "index.html", "runs", "summary.json"
NOT_OURS = {".git", "CNAME"}
"""Files of a checked-out branch of pages that do not belong to the site; everything else must be made by publish."""
MOST_BYTES = 32 * 2**20
"""Of a file that publish made."""
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A run's id becomes a folder's name and part of an address."""


def claim(site: Path) -> None:
    """Make the folder, or check that publish made its contents. Raises CannotReport, OSError."""
    site.mkdir(parents=True, exist_ok=True)
    found = sorted({entry.name for entry in site.iterdir()} - NOT_OURS)
    if found and not _is_ours(site):
        names = clean(", ".join(found[:3]), 120)
        raise CannotReport(f"{site} holds {names}, which publish did not make; give --site an empty or a new folder")
    write_atomically(site / MARKER, MARK.encode("ascii"))


def folders(site: Path, runs: Sequence[LoadedRun]) -> list[Path]:
    """Each run's folder in the site.

    Raises CannotReport for an id that cannot be a folder's name, and for a folder that must not be overwritten.
    """
    found = []
    for run in runs:
        if not SAFE_ID.fullmatch(run.name):
            raise CannotReport(
                f"run {clean(run.name, 80)!r} cannot be published under this id: only letters, digits and . _ - may "
                "be in it, and it starts with a letter or digit"
            )
        folder = site / RUNS / run.name
        for path in (folder.parent, folder, folder / FIGURES):
            if path.is_symlink():
                raise CannotReport(f"{path} is a link, which publish does not follow; remove it")
        if folder in found:
            raise CannotReport(f"two of the runs have the id {run.name}; one of them would be lost")
        _refuse_to_lose(folder, run)
        found.append(folder)
    return found


def write_run(folder: Path, report: Report, summary: RunSummary, address: str) -> None:
    """The run's report, and at the end its summary. `address` is the site's, if it is known. Raises OSError."""
    write_report(report, folder, f"{address}{RUNS}/{folder.name}/" if address else "")
    write_atomically(folder / SUMMARY, to_json(summary))


def read_runs(site: Path) -> tuple[list[RunSummary], list[tuple[str, str]]]:
    """Every run's summary, newest first, and (file, reason) of what cannot be used. Raises CannotReport, OSError."""
    read, refused = [], []
    for folder in sorted((site / RUNS).iterdir()):
        name = f"{RUNS}/{clean(folder.name, 120)}/{SUMMARY}"
        try:
            read.append(_read(folder))
        except BadRecord as error:
            refused.append((name, str(error)))
    return sorted(read, key=lambda run: (run.started, run.run_id), reverse=True), refused


def cards(site: Path, runs: Sequence[RunSummary]) -> dict[str, str]:
    """The address of each run's image; a run that was published before there were images has none."""
    found = {run.run_id: Path(RUNS, run.run_id, CARD) for run in runs}
    return {
        name: path.as_posix()
        for name, path in found.items()
        if (site / path).is_file() and not (site / path).is_symlink()
    }


def _is_ours(site: Path) -> bool:
    for name, mark in ((MARKER, MARK.encode("ascii")), (INDEX, GENERATOR)):
        try:
            if mark in read_regular(site / name, MOST_BYTES):
                return True
        except OSError:
            continue
    return False


def _refuse_to_lose(folder: Path, run: LoadedRun) -> None:
    """Raises CannotReport if the folder has anything but an earlier state of this run."""
    if not folder.exists():
        return
    try:
        published = _read(folder)
    except BadRecord as error:
        raise CannotReport(
            f"{folder / SUMMARY} {error}, so that nobody can tell which run is there; remove the folder to go on"
        ) from error
    if not is_earlier_state(published, run):
        raise CannotReport(f"another run has the id {run.name} and is on the site already; it would be lost")
    if len(run.records) < published.recorded:
        raise CannotReport(
            f"{folder} holds run {run.name} with {published.recorded} replicates, and here are {len(run.records)} of "
            "them; the others would be lost"
        )


def _read(folder: Path) -> RunSummary:
    if folder.is_symlink() or not SAFE_ID.fullmatch(folder.name):
        raise BadRecord("not a folder that publish made")
    try:
        data = read_regular(folder / SUMMARY, MOST_BYTES)
    except OSError as error:
        raise BadRecord(f"cannot be read ({error.strerror})") from error
    _refuse_newer(folder / SUMMARY, data)
    try:
        found = summary_adapter().validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = clean(".".join(map(str, first["loc"])), 120) or "whole file"
        raise BadRecord(f"is not valid ({where}: {first['msg']})") from error
    if why := impossible(found):
        raise BadRecord(f"is not valid ({why})")
    if found.run_id != folder.name:
        raise BadRecord(f"is about another run ({clean(found.run_id, 80)})")
    return found


def _refuse_newer(path: Path, data: bytes) -> None:
    try:
        version = json.loads(data).get("summary_version")
    except (ValueError, AttributeError, RecursionError):
        return
    if isinstance(version, int) and version > SUMMARY_VERSION:
        raise CannotReport(f"{path}: version {version}, this program reads {SUMMARY_VERSION}; upgrade it to go on")
