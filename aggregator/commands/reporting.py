"""Makes the report on runs that were read. What computes and draws is imported here: it takes a second or two."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from aggregator.commands.shared import OK, SOME_FAILED, not_writable, printable, refuse_unknown
from aggregator.judge.analysis import Environment, analyse, competitors_of
from aggregator.published.section import with_published
from aggregator.read.run_folder import LoadedRun
from aggregator.report.build import build_report
from aggregator.report.model import Report
from aggregator.report.page.write import write_report


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
