"""What several commands share: runs by name, exit codes, messages."""

import argparse
import difflib
import math
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from aggregator.read.duplicates import without_copies
from aggregator.read.run_folder import CannotReport, LoadedRun, find_run, load_run
from runners.harness.terminal import shown

OK, SOME_FAILED, USAGE, NOT_WRITABLE, REGRESSION, DEFECT, INTERRUPTED, NO_READER = 0, 1, 2, 3, 4, 70, 130, 141
"""DEFECT is EX_SOFTWARE of sysexits.h. NO_READER is what a shell says of a program that SIGPIPE ended, as it ends most
whose reader goes: a script with pipefail knows it, and none takes it for a success."""
LONGEST = 8192
"""Characters of a line at most: more than a path can have."""
RUN_HELP = "a run's folder, or its id under results/"


def load_runs(names: Sequence[str]) -> list[tuple[Path, LoadedRun]]:
    """The runs that `names` name with their folders, each once; one left out is said. Raises CannotReport."""
    folders = [find_run(name).resolve() for name in names]
    times = Counter(folders)
    kept, copies = without_copies([(folder, load_run(folder)) for folder in times])
    for line in (*(f"{folder} is given {n} times; it is taken once" for folder, n in times.items() if n > 1), *copies):
        print(printable(line), file=sys.stderr)
    return kept


def percentage(text: str) -> float:
    """A number of per cent as a fraction, rounded only once.

    Raises ArgumentTypeError.
    """
    try:
        found = float(Decimal(text) / 100)
    except ArithmeticError:
        found = math.nan
    if not math.isfinite(found):
        raise argparse.ArgumentTypeError(f"{text!r} is no number; give per cent without the sign, such as 58.7")
    return found


def target_folder(text: str) -> Path:
    """A folder to write to. Raises ArgumentTypeError for an empty name, which would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("empty; name a folder")
    return Path(text)


def refuse_unknown(what: str, name: str, names: Sequence[str]) -> None:
    """Raises CannotReport, with the closest name, if `name` is not one of `names`."""
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise CannotReport(f"no {what} {name!r} here; known: {', '.join(names)}{hint}")


def not_writable(what: str, target: Path, error: OSError, option: str = "--out") -> int:
    """Print that `what` could not be written; returns the exit code for that."""
    said = f"aggregator: cannot write {what} to {target}: {error.strerror}; give another {option} DIR"
    print(printable(said), file=sys.stderr)
    return NOT_WRITABLE


def printable(text: str) -> str:
    """Text, or a path in any bytes, as one line that a terminal can show; a path's spaces are part of it."""
    line = shown(text, kept="")
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
