"""`aa`: count how often a program was called different from itself."""

import argparse

from aggregator.commands.shared import OK, RUN_HELP, SOME_FAILED, load_runs
from aggregator.judge import aa
from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import CannotReport
from aggregator.report import self_check

HELP = "count how often a program was called different from itself (A/A runs)"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)


def run(given: argparse.Namespace) -> int:
    """Print the result of the A/A comparisons."""
    summary = aa.summarise(analyse([found for _, found in load_runs(given.runs)]))
    if summary is None:
        raise CannotReport("no comparison of a program with itself here; `make aa` measures some")
    for line in self_check.sentences(summary):
        print(line)
    return OK if summary.passes else SOME_FAILED
