"""Checks from the records whether a run followed its order: balance, adjacency, seed, time, added blocks, warm-up."""

from collections import Counter
from collections.abc import Container, Sequence
from datetime import datetime
from itertools import groupby, pairwise

from aggregator.base.quantities import count
from aggregator.judge.auditing.findings import Finding, by_case, excused, failed_at_first, place, slot
from aggregator.judge.auditing.order import exact_schedule, order_from_seed
from aggregator.judge.auditing.rules import extensions, sampling, warm_up
from aggregator.read.run_folder import NO_PLAN, LoadedRun, Quarantined
from runners.harness.case import Case, Competitor
from runners.harness.record import Record


def audit(run: LoadedRun, pilots: Sequence[Record] = (), refused: Sequence[Quarantined] = ()) -> list[Finding]:
    """All checks; `pilots` are the records of the run's pilots, `refused` the files that cannot be read."""
    return [
        readable(run, refused),
        balance(run),
        adjacency(run),
        order_from_seed(run),
        exact_schedule(run),
        passage_of_time(run),
        extensions(run),
        warm_up(run, pilots),
        sampling(run, pilots),
    ]


def readable(run: LoadedRun, refused: Sequence[Quarantined]) -> Finding:
    """Every file among the records is a record of this run, and run.json is valid if it exists."""
    problems = [f"{item.file}: {item.reason}" for item in (*run.quarantined, *refused)]
    problems += [text for text in run.problems if run.plan is None and text != NO_PLAN]
    twice = f", {count(run.duplicates, 'duplicate file')} ignored" if run.duplicates else ""
    return Finding(
        "records readable",
        problems,
        f"{count(len(run.records), 'record')}{twice}; {'; '.join(run.problems) or 'run.json is whole'}",
    )


def balance(run: LoadedRun) -> Finding:
    """Each competitor ran in each position of its case's blocks equally often, within one: AB as often as BA."""
    problems = []
    for case, records in by_case(run.records).items():
        places = range(max(record.block.position for record in records) + 1)
        by_competitor: dict[Competitor, Counter[int]] = {}
        for record in records:
            by_competitor.setdefault(record.competitor, Counter())[record.block.position] += 1
        for competitor, stood in sorted(by_competitor.items()):
            times = [stood[place] for place in places]
            if max(times) - min(times) > 1:
                shown = ", ".join(f"{number}× in place {place}" for place, number in enumerate(times))
                problems.append(f"{case.label}: {competitor.label} stood {shown}")
    return Finding("places balanced", problems, "each competitor's counts in the places of a case differ by at most 1")


def adjacency(run: LoadedRun) -> Finding:
    """A block contains only its own replicates; a missing competitor is one that failed before."""
    blocks = [(key, list(members)) for key, members in groupby(run.records, lambda record: slot(record)[:2])]
    split = [key for key, times in Counter(key for key, _ in blocks).items() if times > 1]
    problems = [f"{case.label}, block {number}: another block lies inside it" for case, number in split]
    twice = [number for number, times in Counter(record.block.sequence for record in run.records).items() if times > 1]
    problems += [f"two replicates are number {number} of the run" for number in twice]
    for _, members in blocks:
        offsets = {record.block.sequence - record.block.position for record in members}
        positions = [record.block.position for record in members]
        if len(offsets) > 1 or positions != sorted(set(positions)):
            problems.append(f"{place(members[0])}: its places do not follow the order of the run")
    last, cases = blocks[-1][0] if blocks else None, by_case(run.records)
    absent = excused(run)
    problems += [text for key, members in blocks if key != last for text in _gaps(members, cases[key[0]], absent)]
    return Finding("blocks adjacent", problems, f"{count(len(blocks), 'block')}, nothing between their replicates")


def _gaps(
    members: Sequence[Record], case_records: Sequence[Record], absent: Container[tuple[Case, Competitor]]
) -> list[str]:
    """Competitors of the case that are missing in this block without a failure or another reason."""
    first = members[0]
    missing = {record.competitor for record in case_records} - {record.competitor for record in members}
    missing = {one for one in missing if (first.case, one) not in absent}
    missing -= {one for one in missing if failed_at_first(case_records, one)}
    return [f"{place(first)}: {one.label} is missing, yet had not failed at first" for one in sorted(missing)]


def passage_of_time(run: LoadedRun) -> Finding:
    """Start times follow the order of the run; where several nodes measured at once, the order of each block."""
    problems = []
    at_once = run.plan.at_once if run.plan else 1
    timed: list[tuple[Record, datetime]] = []
    for record in run.records:
        try:
            timed.append((record, datetime.fromisoformat(record.block.started_at).replace(tzinfo=None)))
        except ValueError:
            problems.append(f"{place(record)}: started at {record.block.started_at!r}, which is no time")
    problems += [
        f"{place(later)}: started at {later.block.started_at}, before {place(earlier)} at {earlier.block.started_at}"
        for (earlier, before), (later, after) in pairwise(timed)
        if after < before and (at_once == 1 or _block(earlier) == _block(later))
    ]
    where = "the order" if at_once == 1 else "the order of a block"
    return Finding("time moves on", problems, f"start times never go backwards along {where}")


def _block(record: Record) -> tuple[Case, int]:
    return record.case, record.block.number
