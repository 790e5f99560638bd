"""`schema`: print the JSON Schema of a record, or its reference page."""

import argparse
import sys

from aggregator.commands.shared import OK
from aggregator.read.schema import json_schema, reference_page

HELP = "print the JSON Schema of a record"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("--markdown", action="store_true", help="print the reference page for people instead")


def run(given: argparse.Namespace) -> int:
    """Print the schema, or its page."""
    sys.stdout.write(reference_page() if given.markdown else json_schema())
    return OK
