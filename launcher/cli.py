"""The launcher's command line."""

import argparse
import os
import sys
from pathlib import Path

from launcher import options as options_module
from launcher.commands.bench import bench, show_plan
from launcher.commands.images import clean, prepare_data, prepare_frameworks
from launcher.commands.doctor import doctor
from launcher.errors import ExitCode, LauncherError
from launcher.stop import Stop
from launcher.variables import add_variables
from runners.harness.case import AXES

ROOT = Path(__file__).resolve().parents[1]

COMMANDS = {
    "plan": "print the cases, the replicates and an estimate; run nothing",
    "bench": "measure, then report; with --run ID go on where that run stopped",
    "doctor": "what this machine has and lacks, and what to do about it",
    "data": "prepare and validate the data sets that bench would read",
    "images": "build the frameworks' images, or with --engine venv their virtual environments",
    "clean": "remove what launchers left; with options also images, virtual environments, results",
}


def parser() -> argparse.ArgumentParser:
    """The argument parser."""
    parse = argparse.ArgumentParser(prog="python -m launcher", description="Decides which cases to run and runs them.")
    commands = parse.add_subparsers(dest="command", required=True, metavar="{" + ",".join(COMMANDS) + "}")
    for name, text in COMMANDS.items():
        add = commands.add_parser(name, help=text, description=text).add_argument
        add("--profile", help=f"profiles/NAME.toml (default {options_module.DEFAULTS['profile']})")
        add("--device", help="cpu (default) or gpu")
        add("--engine", help="auto (default), docker or venv")
        add("--frameworks", help="only these, separated by commas; tensorflow@2.16.2 names a version")
        add("--workloads", help="only these; the values of the options that follow replace the profile's")
        for axis in AXES:
            if axis.option:
                add(f"--{axis.option.replace('_', '-')}", help=f"{', '.join(axis.chosen_for)}: {axis.help}")
        add("--variants", help="train, infer, load, fit: these wherever they are known (eager, graph, plain …), or all")
        add("--loaders", help="load, fit: torch, spdl, tfdata …, or all")
        add("--filter", help="only cases whose name in the plan or a report contains this, or matches it as a glob")
        add("--blocks", help="how often each case is repeated, no more and no less (default: as the profile says)")
        budget = "time that measuring may take: 30m, 1h30m (a profile's own bounds only added blocks)"
        add("--budget", help=f"{budget}; for a run that has ended, so much more")
        add("--aa", action="store_true", help="check this machine: run one framework under two labels")
        add("--slowdown", help="with --aa: make the steps of the second label last this many times as long")
        add("--data", help="class folders or prepared data sets, separated by commas (default: synthetic)")
        add("--run", help="name of the run to resume; with --budget, to continue one that has ended")
        add("--timeout", help="seconds until a replicate is given up (default: the profile's)")
        add("--out", help="folder that runs are written to (default: results)")
        add("--cpus", help="CPU set like 0-3,6 (default: all visible)")
        add("--memory", help="memory limit of a replicate in GiB (default: 85 %% of the machine's)")
        add("--seed", help="seed of the order (default: random, recorded)")
        add("--strict", action="store_true", help="refuse what would otherwise be a warning")
        add("--base-image", help="base of the images")
        add("--extra-index", help="an optional further package index; never fails a build when out of reach")
        add("--make", metavar="NAMES", help="take what is not given from make's variables; these must be options")
        for part in ("images", "venvs", "results") if name == "clean" else ():
            add(f"--{part}", action="store_true", help=f"remove {part} too")
    return parse


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run one command and return its exit code; what a person can act on is a message, never a traceback."""
    arguments = parser().parse_args(argv)
    stop = Stop()
    try:
        add_variables(arguments, os.environ)
        options = options_module.read(arguments, root)
        if arguments.command == "plan":
            return show_plan(root, options)
        if arguments.command == "doctor":
            return doctor(root, options)
        if arguments.command == "clean":
            return clean(root, options, arguments.images, arguments.venvs, arguments.results)
        stoppable = {"bench": bench, "data": prepare_data, "images": prepare_frameworks}
        with stop.on_signals():
            return stoppable[arguments.command](root, options, stop)
    except LauncherError as error:
        print(f"launcher: {error}", file=sys.stderr)
        return ExitCode.INTERRUPTED if stop.requested else error.code
    except KeyboardInterrupt:
        print("launcher: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return ExitCode.OK
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"launcher: {place}{error.strerror or error}", file=sys.stderr)
        return ExitCode.NOT_READY
