"""Temporary folders that carry their launcher's identity, so that a dead launcher's can be found and removed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.ownership.owner import Identity, mine, parse

PREFIX = "levelfield-of-"
SEPARATOR = "~"


@contextmanager
def scratch() -> Iterator[Path]:
    """A fresh empty folder, removed at the end with all that is in it."""
    name = str(mine()).replace("/", SEPARATOR)
    folder = tempfile.mkdtemp(prefix=f"{PREFIX}{name}{SEPARATOR}")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def others() -> list[Identity]:
    """The other launchers that are at work on this machine, anyone's."""
    alive = {owner for _, owner in _folders() if owner.is_alive()}
    return sorted(alive - {mine()}, key=lambda owner: owner.pid)


def remove_orphans() -> int:
    """Remove this user's folders of launchers that are dead; returns how many."""
    removed = 0
    for folder, owner in _folders():
        if not owner.is_alive() and not folder.is_symlink() and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _folders() -> Iterator[tuple[Path, Identity]]:
    """(folder, launcher) of this machine."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = parse(folder.name.removeprefix(PREFIX).rpartition(SEPARATOR)[0].replace(SEPARATOR, "/"))
        if owner is not None and owner.is_local():
            yield folder, owner
