"""`published`: compare the step times that others published with each other."""

import argparse
import sys
from pathlib import Path

from aggregator.commands.shared import OK
from aggregator.published.page import page
from aggregator.published.step_csv import read
from aggregator.published.step_times import kept, kept_source

HELP = "compare the step times that others published with each other"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("files", nargs="*", type=Path, metavar="CSV", help="others of that form (default: our copy)")


def run(given: argparse.Namespace) -> int:
    """Print the page in Markdown."""
    found = (read(given.files), None) if given.files else (kept(), kept_source())
    sys.stdout.write(page(*found))
    return OK
