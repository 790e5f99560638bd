"""`merge`: put several runs, of one machine or more, side by side in one report; no samples are pooled."""

import argparse
import dataclasses

from aggregator.commands.report import add_choices, make
from aggregator.commands.shared import RUN_HELP, load_runs, target_folder
from aggregator.read.run_folder import CannotReport, group_of

HELP = "put several runs and machines side by side in one report"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help=f"{RUN_HELP}; two or more")
    parser.add_argument("--out", type=target_folder, required=True, help="where to write")
    add_choices(parser)


def run(given: argparse.Namespace) -> int:
    """Write the report; its path is the last line of standard output."""
    runs = [
        dataclasses.replace(loaded, name=folder.name) if group_of(folder) else loaded
        for folder, loaded in load_runs(given.runs)
    ]
    if len(runs) < 2:
        raise CannotReport("merge puts two or more runs side by side and was given one; `report` is for one")
    return make(runs, given.out, given)
