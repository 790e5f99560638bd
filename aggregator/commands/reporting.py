"""Making a report of runs that are read: all that computes and draws, which takes a second or two to be imported."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from aggregator.report.build import build_report
from aggregator.commands.shared import OK, SOME_FAILED, known, not_writable, printable
from aggregator.judge.analysis import analyse, competitors_of
from aggregator.report.page.write import write_report
from aggregator.read.run_folder import LoadedRun


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
