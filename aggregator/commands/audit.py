"""`audit`: prove from the records that the run kept to its order and rules."""

import argparse

from aggregator.commands.shared import OK, RUN_HELP, SOME_FAILED
from aggregator.judge.auditing.audit import audit
from aggregator.read.run_folder import CannotReport, find_run, load_pilots, load_run
from runners.harness.run import ORDER_SINCE

HELP = "prove from the records that the run kept to its order and rules"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)


def run(given: argparse.Namespace) -> int:
    """Print each finding."""
    folder = find_run(given.run)
    loaded = load_run(folder)
    if loaded.plan and loaded.plan.run_version < ORDER_SINCE:
        raise CannotReport(f"{folder}: made by an earlier version in an order of its own; it can only be reported")
    findings = audit(loaded, *load_pilots(folder))
    for line in (line for finding in findings for line in finding.lines()):
        print(line)
    return SOME_FAILED if any(finding.failed for finding in findings) else OK
