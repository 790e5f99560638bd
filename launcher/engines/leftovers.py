"""Removes what dead launchers left on either engine: the next run may use the other engine."""

from launcher.engines.connection import connect
from launcher.engines.docker import remove_orphans as remove_containers
from launcher.errors import NotReady
from launcher.ownership.temporary import remove_orphans as remove_folders
from launcher.processes import kill_orphans


def remove_leftovers() -> int:
    """Remove processes, containers and temporary folders of dead launchers; returns how many."""
    removed = kill_orphans() + remove_folders()
    try:
        return removed + remove_containers(connect())
    except NotReady:
        return removed
