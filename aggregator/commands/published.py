"""`published`: the numbers of three published comparisons, as tables and figures, with the ratios between them."""

import argparse
import sys
from pathlib import Path

from aggregator.commands.shared import OK, not_writable, printable, target_folder
from aggregator.published.numbers import read, stored
from aggregator.published.page import render, write
from aggregator.published.source import STEPS

HELP = "show the published numbers of others, and compare them with each other"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="CSV", help="step times in the form of 2021 (default: all our copies)"
    )
    parser.add_argument("--out", type=target_folder, help="write published.md, published.html and figures there")


def run(given: argparse.Namespace) -> int:
    """Print the page in Markdown, or write it; the path of a written page is the last line of standard output."""
    numbers = [read(STEPS, given.files)] if given.files else stored()
    if not given.out:
        sys.stdout.write(render(numbers))
        return OK
    try:
        page = write(numbers, given.out)
    except OSError as error:
        return not_writable("the page", given.out, error)
    print(printable(str(page)))
    return OK
