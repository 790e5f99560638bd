"""`plan`: prints what `bench` would do with the same options."""

import secrets
from argparse import ArgumentParser, Namespace
from pathlib import Path

from launcher import options
from launcher.datasets.assignment import assign, expected
from launcher.errors import ExitCode
from launcher.plan.description import describe, describe_stopping, expected_seconds, shortfall
from launcher.plan.draft import budget_seconds, draft, planned_cases, stopping
from launcher.plan.estimate import earlier
from launcher.stop import Stop
from launcher.text import printable
from runners.harness.run import cuts_planned

HELP = "print the cases, the replicates and an estimate; run nothing"


def add(parser: ArgumentParser) -> None:
    """Its options."""
    options.add(parser, *options.MEASURED)


def run(root: Path, given: Namespace, _stop: Stop) -> int:
    """Print the plan."""
    asked = options.measured(given)
    drafted = draft(root, asked)
    data = assign(drafted.data_workloads, [(source, expected(source)) for source in drafted.sources])
    cases = planned_cases(drafted, asked, data)
    seed = secrets.randbelow(2**31) if asked.seed is None else asked.seed
    print(f"profile {asked.profile}: {drafted.profile.description}\n")
    pilots, durations = drafted.profile.pilots, earlier(asked.out)
    print("\n".join(describe(cases, seed, durations, pilots)))
    rule, budget = stopping(drafted, asked), budget_seconds(drafted, asked)
    strict = cuts_planned(rule, asked.given)
    print(describe_stopping(rule, budget, strict))
    for text in shortfall(expected_seconds(cases, durations, pilots), budget if strict else None):
        print(f"warning: {text}")
    for source in drafted.sources:
        if not source.ready:
            print(f"data to prepare first: {printable(str(source.manifest.parent))}")
    return ExitCode.OK
