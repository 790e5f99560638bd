"""`plan`: prints what `bench` would do with the same options."""

import secrets
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from launcher import options
from launcher.commands.place import Place
from launcher.errors import ExitCode, NotReady
from launcher.options import Options
from launcher.plan.cases import with_data
from launcher.plan.description import describe, describe_stopping, shortfall
from launcher.plan.draft import draft
from launcher.plan.estimate import earlier, expected_seconds
from launcher.stop import Stop
from launcher.text import answer
from runners.harness.run import PlannedCase

HELP = "print the cases, the replicates and an estimate; run nothing"


def add(parser: ArgumentParser) -> None:
    """Its options."""
    options.add(parser, *options.MEASURED)


def run(root: Path, given: Namespace, stop: Stop) -> int:
    """Print the plan."""
    asked = options.measured(given)
    drafted = draft(root, asked)
    obstacle = _obstacle(root, asked, drafted.cases, stop)
    cases = with_data(drafted.cases, drafted.expected)
    seed = secrets.randbelow(2**31) if asked.seed is None else asked.seed
    answer(f"profile {asked.profile}: {drafted.profile.description}\n")
    pilots, durations = drafted.profile.pilots, earlier(asked.out)
    answer("\n".join(describe(cases, drafted.left_out, seed, durations, pilots)))
    rule, budget, cuts = drafted.stopping, drafted.budget_seconds, drafted.budget_cuts_planned
    answer(describe_stopping(rule, budget, cuts, cases, durations, pilots))
    if cuts:
        for text in shortfall(expected_seconds(cases, durations, pilots), budget):
            answer(f"warning: {text}")
    if drafted.elsewhere:
        answer(options.as_typed(drafted.elsewhere, given.make is not None))
    for source in drafted.sources:
        if not source.ready:
            answer(f"data to prepare first: {source.manifest.parent}")
    if obstacle:
        said = options.as_typed(obstacle, given.make is not None)
        answer(f"warning: this plan cannot be carried out here: {said}")
    return ExitCode.OK


def _obstacle(root: Path, asked: Options, cases: Sequence[PlannedCase], stop: Stop) -> str:
    """Why no run could start on this machine, as far as that shows at once; a plan may be meant for another one."""
    place = Place.asked(asked)
    try:
        place.select(root, place.limits(cases), asked, stop)
    except NotReady as error:
        return str(error)
    return ""
