"""`python -m aggregator COMMAND`: the commands are in aggregator/commands/, one file each."""

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from typing import Protocol, TextIO, cast

from aggregator.commands.shared import DEFECT, INTERRUPTED, NO_READER, NOT_WRITABLE, OK, USAGE, printable
from aggregator.read.run_folder import CannotReport
from aggregator.report.page.markdown import UNSEEN
from runners.harness.terminal import shown


class Command(Protocol):
    """A file of aggregator/commands/: a line of help, its arguments, and the command."""

    HELP: str

    def add(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, given: argparse.Namespace) -> int: ...


COMMANDS = ("report", "compare", "merge", "publish", "audit", "aa", "export", "published", "schema")


def command(name: str) -> Command:
    """One command, imported only when needed: each needs other libraries, and some take a second to import."""
    found: Command = cast(Command, import_module(f"aggregator.commands.{name}"))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, then print its output; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m aggregator", description="Turn records into a report.")
    commands = parser.add_subparsers(dest="command", required=True)
    given_words = sys.argv[1:] if arguments is None else arguments
    wanted = [word for word in given_words[:1] if word in COMMANDS]
    for name in wanted or COMMANDS:
        one = command(name)
        one.add(commands.add_parser(name, help=one.HELP, description=one.__doc__))
    output = io.StringIO()
    try:
        with redirect_stdout(output):
            given = parser.parse_args(arguments)
            code = command(given.command).run(given)
    except SystemExit as ended:
        raise SystemExit(_print(output.getvalue()) or ended.code) from None
    except CannotReport as error:
        _say(f"aggregator: {printable(str(error))}")
        return USAGE
    except KeyboardInterrupt:
        _say("aggregator: stopped; what was not finished is not written")
        return INTERRUPTED
    except BrokenPipeError:
        _discard(sys.stderr)
        return NO_READER
    except ModuleNotFoundError:
        raise
    except Exception:
        # Python itself would end with 1, which says that some cases failed.
        _say(traceback.format_exc())
        _say("aggregator: this is a defect of the program; please report it with the lines above")
        return DEFECT
    return _print(output.getvalue()) or code


def _print(text: str) -> int:
    """Write to standard output; returns OK, or the exit code of the reason why that failed."""
    try:
        print(shown(text, kept=f"\n\t{UNSEEN}"), end="", flush=True)
    except BrokenPipeError:
        _discard(sys.stdout)
        return NO_READER
    except OSError as error:
        _discard(sys.stdout)
        _say(f"aggregator: cannot write to standard output: {error.strerror}")
        return NOT_WRITABLE
    return OK


def _say(text: str) -> None:
    """A line to people, if there are any."""
    try:
        print(shown(text), file=sys.stderr)
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Python flushes its streams when it ends, which must not fail a second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
