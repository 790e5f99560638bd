"""`compare`: how many times as fast HEAD is as BASE; exit code 4 on a regression that one run's blocks prove.

BASE and HEAD are two runs (ratios, no verdict) or two competitors of one run, each as RUN:COMPETITOR.
"""

import argparse
import dataclasses
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from aggregator.base.case_names import labels
from aggregator.commands.shared import OK, REGRESSION, SOME_FAILED, percentage, printable, refuse_unknown
from aggregator.judge.analysis import Environment, analyse, competitors_of
from aggregator.read.duplicates import without_copies
from aggregator.read.run_folder import CannotReport, LoadedRun, find_run, load_run
from aggregator.regression import paired, unpaired
from aggregator.regression.changes import OTHER_MACHINE, changes, other_machine
from aggregator.regression.opposed import Opposed, oppose
from aggregator.regression.page import page
from runners.harness.record import Record

HELP = "compare two runs, or two competitors of one run (a regression gate), as Markdown"
CHOICE_HELP = "a run's folder or its id under results/, or RUN:COMPETITOR"


@dataclass(frozen=True)
class Named:
    """What BASE or HEAD names: a run's folder, and one competitor's label in it; None stands for all of them."""

    folder: Path
    competitor: str | None


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("base", metavar="BASE", help=CHOICE_HELP)
    parser.add_argument("head", metavar="HEAD", help="the same; of BASE's run, for a verdict")
    parser.add_argument(
        "--threshold",
        type=_threshold,
        default=0.05,
        metavar="PERCENT",
        help="HEAD is a regression if its whole interval says that it takes so much longer than BASE (default: 5)",
    )
    parser.add_argument(
        "--competitor",
        action="append",
        help="of two whole runs, compare only this competitor, such as pytorch/eager; repeatable",
    )


def run(given: argparse.Namespace) -> int:
    """Print the page."""
    base, head = _named(given.base), _named(given.head)
    kept, copies = without_copies([(folder, load_run(folder)) for folder in dict.fromkeys((base.folder, head.folder))])
    for line in copies:
        print(printable(line), file=sys.stderr)
    runs = dict(kept)
    if len(runs) == 1:
        head = dataclasses.replace(head, folder=base.folder)
    _refuse_unfit(base, head)
    environments = {folder: analyse([loaded]) for folder, loaded in runs.items()}
    before, after = environments[base.folder], environments[head.folder]
    if before is after:
        before = after = paired.counted(before)
    names = _names(base, head, runs[base.folder], runs[head.folder], given.competitor)
    opposed = oppose(before, after, names)
    findings = paired.compare(before, names, given.threshold) if before is after else unpaired.compare(opposed)
    failed, missing = _listed(opposed)
    if not (findings.table.rows or failed):
        why = "no machine and set of versions ran both" if opposed else "only what the machine can do was measured"
        raise CannotReport(f"nothing to compare: {'; '.join(missing[:3]) or why}")
    records = _records(before, names.keys()), _records(after, names.values())
    if other_machine(*records):
        findings = dataclasses.replace(findings, said=(OTHER_MACHINE, *findings.said))
    sys.stdout.write(page(printable(given.base), printable(given.head), findings, failed, missing, changes(*records)))
    doubts = [line for loaded in runs.values() for line in _doubts(loaded)]
    for line in doubts:
        print(printable(line), file=sys.stderr)
    if findings.regressions:
        return REGRESSION
    return SOME_FAILED if failed or doubts or findings.untested else OK


def _named(argument: str) -> Named:
    """What `RUN` or `RUN:COMPETITOR` names; a path or a label may hold colons too. Raises CannotReport."""
    colons = [place for place, char in enumerate(argument) if char == ":"]
    for end in (len(argument), *reversed(colons)):
        try:
            return Named(find_run(argument[:end]).resolve(), argument[end + 1 :] or None)
        except CannotReport:
            continue
    return Named(find_run(argument.partition(":")[0]), None)


def _refuse_unfit(base: Named, head: Named) -> None:
    """Raises CannotReport if the two cannot be compared, with what to write instead."""
    if (base.competitor is None) != (head.competitor is None):
        raise CannotReport("name a competitor in both, RUN:ONE and RUN:OTHER, or in neither")
    if base == head:
        raise CannotReport("BASE and HEAD are the same; name two competitors of the run: RUN:ONE RUN:OTHER")


def _names(
    base: Named, head: Named, before: LoadedRun, after: LoadedRun, wanted: Sequence[str] | None
) -> dict[str, str]:
    """HEAD's competitor for each of BASE's. Raises CannotReport for one that is not there."""
    if base.competitor is None or head.competitor is None:
        both = competitors_of([before, after], unavailable=True)
        for name in wanted or ():
            refuse_unknown("competitor", name, both)
        return {name: name for name in wanted or both}
    if wanted:
        raise CannotReport("--competitor chooses among those of two whole runs; BASE and HEAD name theirs already")
    refuse_unknown("competitor", base.competitor, competitors_of([before], unavailable=True))
    refuse_unknown("competitor", head.competitor, competitors_of([after], unavailable=True))
    return {base.competitor: head.competitor}


def _listed(opposed: Sequence[Opposed]) -> tuple[list[str], list[str]]:
    """(failed in HEAD, not compared), a line each."""
    titles = labels(found.case for found in opposed)
    failed = [f"{titles[one.case]}, {one.name}: {one.failure}" for one in opposed if one.failure]
    missing = [f"{titles[one.case]}, {one.name}: {one.missing}" for one in opposed if one.missing]
    return failed, missing


def _records(environments: Sequence[Environment], names: Collection[str]) -> list[Record]:
    return [record for env in environments for record in env.records if record.competitor.label in names]


def _doubts(loaded: LoadedRun) -> list[str]:
    """What the report of a run would call incomplete or quarantined."""
    found = [f"{loaded.name}: {problem}" for problem in loaded.problems]
    return [*found, *(f"{loaded.name}: left out {item.file} (the report says why)" for item in loaded.quarantined)]


def _threshold(text: str) -> float:
    found = percentage(text)
    if found < 0:
        raise argparse.ArgumentTypeError(f"{text}: must be a percentage, 0 or more")
    return found
