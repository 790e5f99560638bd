"""`report`: compare a run's records and write report.md, report.html and the figures."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from aggregator.commands.shared import (
    OK,
    RUN_HELP,
    SOME_FAILED,
    load_runs,
    not_writable,
    percentage,
    printable,
    refuse_unknown,
    target_folder,
)
from aggregator.judge.analysis import Environment, analyse, competitors_of
from aggregator.published.section import with_published
from aggregator.read.run_folder import LoadedRun
from aggregator.report.build import build_report
from aggregator.report.model import Report
from aggregator.report.page.write import write_report

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


def complete_report(
    runs: Sequence[LoadedRun], environments: Sequence[Environment], target: float | None = None
) -> Report:
    """The report, with published figures if it has comparisons of their settings."""
    return with_published(build_report(runs, environments, target), environments)


def make(runs: Sequence[LoadedRun], target: Path, given: argparse.Namespace) -> int:
    """Write the report on `runs` into `target` and print its first sentences; returns the exit code."""
    if given.baseline is not None:
        refuse_unknown("competitor", given.baseline, competitors_of(runs))
    report = complete_report(runs, analyse(runs, given.baseline), given.target_accuracy)
    try:
        page = write_report(report, target)
    except OSError as error:
        return not_writable("the report", target, error)
    for line in (*report.headline, *report.incomplete):
        print(printable(line), file=sys.stderr)
    if report.failed_count or report.quarantined_count:
        counted = f"{report.failed_count} failed or unavailable, {report.quarantined_count} quarantined"
        print(f"{counted}; see the report's section on failures", file=sys.stderr)
    print(printable(str(page)))
    return OK if report.clean else SOME_FAILED


def _accuracy(text: str) -> float:
    found = percentage(text)
    if not 0 < found <= 1:
        raise argparse.ArgumentTypeError(f"{text}: must be above 0 and at most 100 per cent")
    return found
