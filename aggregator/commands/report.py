"""`report`: compare a run's records and write report.md, report.html and the figures."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from aggregator.build import build_report
from aggregator.commands.shared import (
    OK,
    RUN_HELP,
    SOME_FAILED,
    known,
    load_runs,
    not_writable,
    printable,
    share,
    target_folder,
)
from aggregator.comparison.analysis import analyse, competitors_of
from aggregator.page.write import write_report
from aggregator.reading.load import LoadedRun

HELP = "compare a run's records and write report.md and report.html"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("runs", nargs=1, metavar="RUN", help=RUN_HELP)
    parser.add_argument("--out", type=target_folder, help="where to write (default: the run's folder)")
    add_choices(parser)


def add_choices(parser: argparse.ArgumentParser) -> None:
    """What every report can be asked for."""
    parser.add_argument("--baseline", help="competitor that the others are compared with (default: the plan's first)")
    parser.add_argument(
        "--target-accuracy",
        type=_accuracy,
        help="test accuracy in per cent that trainings are timed to (default: the highest that all reached)",
    )


def run(given: argparse.Namespace) -> int:
    """Write the report; its path is the last line of standard output."""
    [(folder, loaded)] = load_runs(given.runs)
    return make([loaded], given.out or folder, given)


def make(runs: Sequence[LoadedRun], target: Path, given: argparse.Namespace) -> int:
    """Write the report on `runs` into `target` and say what it found; gives the exit code."""
    if given.baseline is not None:
        known("competitor", given.baseline, competitors_of(runs))
    report = build_report(runs, analyse(runs, given.baseline), given.target_accuracy)
    try:
        page = write_report(report, target)
    except OSError as error:
        return not_writable("the report", target, error)
    for line in (*report.headline, *report.incomplete):
        print(line, file=sys.stderr)
    if report.failed_count or report.quarantined_count:
        counted = f"{report.failed_count} failed or unavailable, {report.quarantined_count} quarantined"
        print(f"{counted}; see the report's section on failures", file=sys.stderr)
    print(printable(str(page)))
    return OK if report.clean else SOME_FAILED


def _accuracy(text: str) -> float:
    found = share(text)
    if not 0 < found <= 1:
        raise argparse.ArgumentTypeError(f"{text}: must be above 0 and at most 100 per cent")
    return found
