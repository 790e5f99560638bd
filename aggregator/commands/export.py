"""`export`: write the samples in another program's form."""

import argparse
import sys
from pathlib import Path

from aggregator.analysis import analyse
from aggregator.commands.shared import OK, RUN_HELP, SOME_FAILED, known, load_runs, not_writable, printable
from aggregator.export import write_pyperf
from aggregator.load import CannotReport

HELP = "write the samples in another program's form"
FORMATS = ("pyperf",)


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("runs", nargs=1, metavar="RUN", help=RUN_HELP)
    parser.add_argument("--format", default=FORMATS[0], help=f"one of: {', '.join(FORMATS)}")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files, one a competitor")


def run(given: argparse.Namespace) -> int:
    """Write the files; each one's path is a line of standard output."""
    known("format", given.format, FORMATS)
    runs = [found for _, found in load_runs(given.runs)]
    try:
        made = write_pyperf(analyse(runs), given.out)
    except OSError as error:
        return not_writable("the files", given.out, error)
    if not made:
        raise CannotReport(f"{runs[0].name}: no replicate ended well, so there is nothing to export")
    for path in made:
        print(printable(str(path)))
    quarantined = [item.file for found in runs for item in found.quarantined]
    if quarantined:
        print(f"left out: {printable(', '.join(quarantined))} (the report says why)", file=sys.stderr)
    return SOME_FAILED if quarantined else OK
