"""Messages and progress for the user, on stderr. Stdout is only for the manifest's path."""

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from runners.harness import terminal

Item = TypeVar("Item")


def say(message: str) -> None:
    """Print one line. Control characters are escaped, because file names may contain any."""
    print(terminal.shown(message, kept=""), file=sys.stderr, flush=True)


def shown(path: str | os.PathLike[str]) -> str:
    """A path in quotes, safe to print and to store in a message for any bytes in its name."""
    return repr(os.fspath(path))


def progress(items: Iterable[Item], total: int, what: str) -> Iterable[Item]:
    """The same items; while they are taken, a terminal shows a progress bar. A `total` of 0 is unknown."""
    return track(items, what, total or None, console=Console(stderr=True), disable=not sys.stderr.isatty())
