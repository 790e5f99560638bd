"""Faults that a person can mend, each with its exit code."""

import difflib
from collections.abc import Collection, Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the launcher's exit code means."""

    OK = 0
    CASES_FAILED = 1
    USAGE = 2
    NOT_READY = 3
    INTERRUPTED = 130


class LauncherError(Exception):
    """Ends the launcher with a message instead of a traceback."""

    code = ExitCode.CASES_FAILED


class UsageError(LauncherError):
    """The request makes no sense: an unknown name, a bad number, settings that contradict each other."""

    code = ExitCode.USAGE


class NotReady(LauncherError):
    """The machine is not ready; the message holds the remedy."""

    code = ExitCode.NOT_READY


class Interrupted(LauncherError):
    """A person or a scheduler asked the launcher to stop."""

    code = ExitCode.INTERRUPTED


class BuildFailed(LauncherError):
    """The image or virtual environment of one framework cannot be made; the run goes on without it."""

    def __init__(self, message: str, tail: str = "") -> None:
        super().__init__(message)
        self.tail = tail


def unknown(what: str, word: str, names: Iterable[str]) -> str:
    """`unknown network 'resnet81'; known: …; did you mean resnet18?`"""
    names = sorted(set(names))
    near = difflib.get_close_matches(word, names, 1)
    question = f"; did you mean {near[0]}?" if near else ""
    return f"unknown {what} {word!r}; known: {', '.join(names) or 'none'}{question}"


def require_name(what: str, word: str, names: Collection[str]) -> None:
    """Raise UsageError unless the word is one of the names."""
    if word not in names:
        raise UsageError(unknown(what, word, names))
