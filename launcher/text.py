"""How durations, file names and addresses are written for people, and durations read."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from runners.harness.terminal import shown

DURATION_FORM = "a time like 90s, 30m, 2h or 1h30m"
_DURATION = re.compile("".join(rf"(?:(\d{{1,6}}(?:\.\d+)?){unit})?" for unit in "hms"), re.ASCII)


def seconds(text: str) -> float:
    """`90s`, `30m`, `1.5h`, `1h30m` in seconds. Anything else is a ValueError."""
    parts = _DURATION.fullmatch(text.lower())
    hours, minutes, rest = (float(part or 0) for part in parts.groups()) if parts else (0.0, 0.0, 0.0)
    total = hours * 3600 + minutes * 60 + rest
    if total <= 0:
        raise ValueError(DURATION_FORM)
    return total


def duration(seconds: float) -> str:
    """`8 s`, `3 min`, `1 h 05 min`, `4 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 48 * 60 else f"{minutes / 60 / 24:.0f} days"


def between(low: float, high: float) -> str:
    """`8 min`, `8 min to 12 min`: seconds of which two bounds are known."""
    least, most = duration(low), duration(high)
    return least if least == most else f"{least} to {most}"


def printable(text: str) -> str:
    """Text that any reader of JSON takes: the bytes of a name that are not UTF-8 become escapes."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def without_password(text: str) -> str:
    """An address without the name and password that it may hold: a run's settings get published."""
    return re.sub(r"://[^/@\s]*@", "://", text)


def say(text: str) -> None:
    """Print a line about the work, on stderr."""
    with saying():
        print(shown(text), file=sys.stderr)


def answer(text: str) -> None:
    """Print a line of what was asked for, on stdout."""
    print(shown(text))


@contextmanager
def saying() -> Iterator[None]:
    """Lose what cannot be said, as on a full disk. Only a closed pipe ends the launcher, as a closed terminal does."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError:
        pass
    except SystemExit as ended:  # this is how rich answers a closed pipe
        raise BrokenPipeError from ended
