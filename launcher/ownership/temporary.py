"""Temporary folders that are named after their launcher, so that those of a dead launcher can be removed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.ownership.owner import Owner, parse_owner, this_launcher

PREFIX = "levelfield-of-"
SEPARATOR = "~"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A fresh empty folder, removed at the end with all that is in it."""
    name = str(this_launcher()).replace("/", SEPARATOR)
    folder = tempfile.mkdtemp(prefix=f"{PREFIX}{name}{SEPARATOR}")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def other_launchers() -> list[Owner]:
    """The other launchers at work on this machine, those of other users too."""
    alive = {owner for _, owner in _folders() if owner.is_alive()}
    return sorted(alive - {this_launcher()}, key=lambda owner: owner.pid)


def remove_orphans() -> int:
    """Remove the folders that dead launchers of this user left; returns how many."""
    removed = 0
    for folder, owner in _folders():
        if not owner.is_alive() and not folder.is_symlink() and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _folders() -> Iterator[tuple[Path, Owner]]:
    """Each temporary folder on this machine, with its launcher."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = parse_owner(folder.name.removeprefix(PREFIX).rpartition(SEPARATOR)[0].replace(SEPARATOR, "/"))
        if owner is not None and owner.is_local():
            yield folder, owner
