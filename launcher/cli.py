"""The launcher's command line."""

import os
import re
import sys
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from launcher import options
from launcher.commands import bench, block, clean, data, doctor, images, plan
from launcher.errors import ExitCode, LauncherError, UsageError, unknown
from launcher.stop import Stop
from launcher.text import say

ROOT = Path(__file__).resolve().parents[1]

COMMANDS = {
    "plan": plan,
    "bench": bench,
    "block": block,
    "doctor": doctor,
    "data": data,
    "images": images,
    "clean": clean,
}


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(re.sub("^argument ", "", message))


def parser() -> ArgumentParser:
    """The argument parser."""
    parse = _Parser(prog="python -m launcher", description="Plan a benchmark, measure it and write its report.")
    commands = parse.add_subparsers(dest="command", required=True, metavar="{" + ",".join(COMMANDS) + "}")
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.HELP, description=command.HELP)
        command.add(one)
        one.add_argument(
            "--make",
            metavar="NAMES",
            help="the make variables that were given; they set the options that are not given here",
        )
    return parse


def read(argv: list[str], root: Path = ROOT) -> Namespace:
    """What a command line asks for, make's variables included. Raises UsageError."""
    parse = parser()
    given, extra = parse.parse_known_args(argv)
    names = [name for name in vars(given) if name in options.OPTIONS]
    if extra:
        has = [name for name in vars(given) if name in options.OPTIONS or name in options.SWITCHES]
        raise UsageError(unknown(f"option of {given.command}", extra[0].partition("=")[0], map(options.flag, has)))
    given = parse.parse_args([argv[0], *options.from_variables(given.make, given.command, names), *argv[1:]])
    if "out" in names:
        given.out = given.out or root / "results"
    if "run" in names and given.run:
        options.locate_run(given)
    return given


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run one command and return its exit code; what a person can act on is a message, never a traceback."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        return _run(argv, root)
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # Python flushes them once more at its end
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return ExitCode.INTERRUPTED if argv[:1] == ["bench"] else ExitCode.OK


def _run(argv: list[str], root: Path) -> int:
    stop = Stop()
    try:
        given = read(argv, root)
        code: int = COMMANDS[given.command].run(root, given, stop)
        return code
    except LauncherError as error:
        say(f"launcher: {options.as_typed(str(error), '--make' in argv)}")
        return ExitCode.INTERRUPTED if stop.requested else error.code
    except KeyboardInterrupt:
        say("launcher: interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        say(f"launcher: {place}{error.strerror or error}")
        return ExitCode.NOT_READY
