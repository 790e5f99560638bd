"""Messages and progress for the user, on stderr. Stdout is only for the manifest's path."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Thing = TypeVar("Thing")


def say(message: str) -> None:
    """Print one line. Control characters are escaped, because file names may contain any."""
    print("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message), file=sys.stderr, flush=True)


def shown(path: str | os.PathLike[str]) -> str:
    """A path in quotes, safe to print and to store in a message for any bytes in its name."""
    return repr(os.fspath(path))


def progress(things: Iterable[Thing], total: int, what: str) -> Iterator[Thing]:
    """Pass `things` on, with a counter on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield from things
        return
    every = max(1, total // 200)
    for done, thing in enumerate(things, 1):
        if done % every == 0 or done == total:
            print(f"\r{what} {done:,}/{total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        yield thing
