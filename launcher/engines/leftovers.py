"""Removes what dead launchers left, on whichever engine: the next run may use the other."""

from launcher.engines.connection import connect
from launcher.engines.docker import remove_orphans as remove_containers
from launcher.errors import NotReady
from launcher.ownership.temporary import remove_orphans as remove_folders
from launcher.processes import kill_orphans


def remove_leftovers() -> int:
    """Kill processes, remove containers and folders of launchers that are dead; returns how many."""
    removed = kill_orphans() + remove_folders()
    try:
        return removed + remove_containers(connect())
    except NotReady:
        return removed
