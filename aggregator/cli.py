"""`python -m aggregator COMMAND`: the commands are in aggregator/commands/, one file each."""

import argparse
import sys
from collections.abc import Sequence
from typing import Protocol

from aggregator.commands import aa, audit, compare, export, merge, publish, published, report, schema
from aggregator.commands.shared import INTERRUPTED, USAGE, printable
from aggregator.reading.load import CannotReport


class Command(Protocol):
    """What a file of aggregator/commands/ has: a line of help, its arguments, what it does."""

    HELP: str

    def add(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, given: argparse.Namespace) -> int: ...


COMMANDS: dict[str, Command] = {
    "report": report,
    "compare": compare,
    "merge": merge,
    "publish": publish,
    "audit": audit,
    "aa": aa,
    "export": export,
    "published": published,
    "schema": schema,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m aggregator", description="Turn records into a report.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        command.add(commands.add_parser(name, help=command.HELP, description=command.__doc__))
    given = parser.parse_args(arguments)
    try:
        return COMMANDS[given.command].run(given)
    except CannotReport as error:
        print(f"aggregator: {printable(str(error))}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("aggregator: stopped; what was not finished is not written", file=sys.stderr)
        return INTERRUPTED
