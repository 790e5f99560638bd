"""Prepares data sets, and removes unfinished ones."""

import os
import shutil
from pathlib import Path

from launcher.datasets.assignment import Dataset, read
from launcher.datasets.sources import Source
from launcher.errors import ExitCode, Interrupted, NotReady, UsageError
from launcher.ownership.lock import locked
from launcher.ownership.temporary import temporary_folder
from launcher.processes import run_child
from launcher.stop import Ending, Stop

PREPARE_SECONDS = 6 * 3600.0
STDERR = 2


def prepare(root: Path, source: Source, stop: Stop) -> Dataset:
    """Have the data set prepared or brought up to date, unless the source is prepared data itself; then read it."""
    if source.command:
        with temporary_folder() as folder:
            environment = {**os.environ, "TMPDIR": str(folder)}
            ended = run_child(source.command, root, STDERR, stop, PREPARE_SECONDS, environment)
        if ended.ending is Ending.INTERRUPTED:
            remove_unfinished(source.manifest.parent.parent)
            raise Interrupted(f"interrupted while preparing {source.manifest.parent}")
        if ended.code != 0:
            kind = UsageError if ended.code == ExitCode.USAGE else NotReady
            raise kind(f"{source.manifest.parent}: the data could not be prepared (exit code {ended.code}); see above")
    return read(source.manifest)


def remove_unfinished(folder: Path) -> int:
    """Remove the unfinished data sets that no preparation has a lock on any more; returns how many."""
    removed = 0
    for unfinished in folder.glob(".*.preparing"):
        with locked(unfinished) as ours:
            if ours and unfinished.is_dir() and not unfinished.is_symlink():
                shutil.rmtree(unfinished, ignore_errors=True)
                removed += 1
    return removed
