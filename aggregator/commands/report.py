"""`report`: compare a run's records and write report.md, report.html and the figures."""

import argparse

from aggregator.commands.reporting import make
from aggregator.commands.shared import RUN_HELP, load_runs, percentage, target_folder

HELP = "compare a run's records and write report.md and report.html"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("runs", nargs=1, metavar="RUN", help=RUN_HELP)
    parser.add_argument("--out", type=target_folder, help="where to write (default: the run's folder)")
    add_choices(parser)


def add_choices(parser: argparse.ArgumentParser) -> None:
    """The options of every report."""
    parser.add_argument("--baseline", help="competitor that the others are compared with (default: the plan's first)")
    parser.add_argument(
        "--target-accuracy",
        type=_accuracy,
        help="target of the time to accuracy, in per cent (default: the highest that all replicates reached)",
    )


def run(given: argparse.Namespace) -> int:
    """Write the report; its path is the last line of standard output."""
    [(folder, loaded)] = load_runs(given.runs)
    return make([loaded], given.out or folder, given)


def _accuracy(text: str) -> float:
    found = percentage(text)
    if not 0 < found <= 1:
        raise argparse.ArgumentTypeError(f"{text}: must be above 0 and at most 100 per cent")
    return found
