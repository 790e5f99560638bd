"""Rebuilds the order of a run from its seed and compares it with the records."""

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import groupby

from aggregator.base.quantities import count
from aggregator.judge.auditing.findings import Finding, Slot, by_case, excused, failed_at_first, named, place, slot
from aggregator.judge.same_work import contradict
from aggregator.read.run_folder import LoadedRun
from method.schedule import Entry, Replicate, run_schedule, schedule
from method.verdict import FEWEST_BLOCKS
from runners.harness.case import Case, Competitor
from runners.harness.record import Record
from runners.harness.run import Run, RunState


def order_from_seed(run: LoadedRun) -> Finding:
    """The seed in the records, with the names in the records, gives the order of the records.

    Blocks beyond the first eight were either planned or added by a rule in an order of its own; the records do not say
    which, so that either may explain them. A competitor or a case without a record is taken from run.json.
    """
    name = "seed rebuilds the order"
    seeds = {record.block.order_seed for record in run.records}
    if not run.records:
        return Finding(name, [], "no record", skipped=True)
    if len(seeds) > 1:
        return Finding(name, [f"the records name {len(seeds)} seeds: {', '.join(map(str, sorted(seeds)))}"])
    actual = list(map(slot, run.records))
    there, rebuilt = set(actual), []
    for steps in _candidates(run, seeds.pop()):
        rebuilt = [step for step in steps if step in there]
        if rebuilt == actual:
            return Finding(name, [], f"{count(len(actual), 'replicate')} in the order of the records' own seed")
    return Finding(name, [_first_difference(actual, rebuilt)])


def _candidates(run: LoadedRun, seed: int) -> Iterator[list[Slot]]:
    members: dict[Case, set[Competitor]] = {}
    for planned in run.plan.cases if run.plan else []:
        if planned.competitors:
            members[planned.case] = set(planned.competitors)
    blocks: dict[Case, int] = {}
    for record in run.records:
        members.setdefault(record.case, set()).add(record.competitor)
        blocks[record.case] = max(blocks.get(record.case, 0), record.block.number + 1)
    cases = sorted(members, key=lambda case: case.key)
    fewest = min(blocks.values())
    rounds = [Entry(case.key, sorted(members[case]), blocks.get(case, fewest)) for case in cases]
    yield _steps(cases, schedule(rounds, seed))
    walked = dict.fromkeys(key for key, _ in groupby(run.records, lambda record: slot(record)[:2]))
    for first in range(fewest, min(fewest, FEWEST_BLOCKS) - 1, -1):
        equal = [Entry(entry.key, entry.competitors, first) for entry in rounds]
        added = [cases.index(case) for case, number in walked if number >= first]
        yield _steps(cases, schedule(equal, seed, added, 1))


def _steps(cases: Sequence[Case], replicates: Sequence[Replicate]) -> list[Slot]:
    return [(cases[one.case], one.block, one.competitor) for one in replicates]


def _first_difference(actual: Sequence[Slot], rebuilt: Sequence[Slot]) -> str:
    for index, (ours, theirs) in enumerate(zip(actual, rebuilt, strict=False)):
        if ours != theirs:
            return f"replicate {index} is {named(ours)}; the seed puts {named(theirs)} there"
    return f"{count(len(actual), 'replicate')} recorded, the seed gives {len(rebuilt)} of them a place"


def exact_schedule(run: LoadedRun) -> Finding:
    """With run.json, every replicate has exactly the number that the schedule gives it, and none is missing unsaid."""
    name = "schedule of run.json"
    plan = run.plan
    if plan is None:
        return Finding(name, [], "; ".join(run.problems) or "no run.json", skipped=True)
    due = {(plan.cases[one.case].case, one.block, one.competitor): one for one in run_schedule(plan)}
    records = {slot(record): record for record in run.records}
    problems = [text for key, record in records.items() if (text := _misplaced(record, due.get(key), plan))]
    problems += _missing(run, plan, records.keys(), due)
    return Finding(name, problems, f"{len(records)} of {count(len(due), 'replicate')}, each at its exact place")


def _misplaced(record: Record, due: Replicate | None, plan: Run) -> str:
    if due is None:
        return f"{place(record)}: not in the schedule"
    if record.block.order_seed != plan.order_seed:
        return f"{place(record)}: seed {record.block.order_seed}, run.json says {plan.order_seed}"
    found = f"number {record.block.sequence}, place {record.block.position}"
    wanted = f"number {due.sequence}, place {due.position}"
    return "" if found == wanted else f"{place(record)}: {found}; the schedule says {wanted}"


def _missing(run: LoadedRun, plan: Run, there: Set[Slot], due: Mapping[Slot, Replicate]) -> list[str]:
    """Replicates without a record that neither a failure, an early end of the run nor of the case explains."""
    cases, absent = by_case(run.records), excused(run)
    closed = {case for case, records in cases.items() if contradict(records)}
    cut = plan.state is not RunState.COMPLETE or plan.budget_seconds is not None
    end = max((due[key].sequence for key in there if key in due), default=-1)
    return [
        f"{named((case, number, competitor))}: no record, and no failure before it says why"
        for (case, number, competitor), one in due.items()
        if (case, number, competitor) not in there
        and not failed_at_first(cases.get(case, []), competitor)
        and (case, competitor) not in absent
        and case not in closed
        and not (cut and one.sequence > end)
    ]
