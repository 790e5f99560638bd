"""Pilots: a few processes of each step case before it is measured, from which its warm-up is found and then frozen."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

from launcher.plan.cases import pilot_competitors
from launcher.run.folder import BadRecord, RunFolder, read_record
from launcher.run.skipping import OutOfMemory
from method import warmup
from method.schedule import run_schedule
from method.statistic import STEP_WORKLOADS
from runners.harness.record import Record, Status
from runners.harness.run import PlannedCase, Run, RunState
from runners.harness.sampling import Sampling

MOST_ENDLESS = 0.25
"""In more of a case's pilots the warm-up may not go on to the end without a warning."""
TWICE = 2
"""So much longer than a replicate is a pilot: a warm-up can only be seen against the level that follows it."""


def pilot_run(run: Run) -> Run | None:
    """The pilots of `run` as a small run of their own, with the same case numbers; None where none are wanted."""
    due = [_due(case, run.pilots) for case in run.cases]
    if not any(due):
        return None
    cases = [
        dataclasses.replace(
            case,
            competitors=pilot_competitors(case.competitors) if wanted else [],
            blocks=run.pilots,
            unavailable=[],
            sampling=longer(case.sampling),
        )
        for case, wanted in zip(run.cases, due, strict=True)
    ]
    return dataclasses.replace(
        run,
        cases=cases,
        state=RunState.RUNNING,
        stopping=None,
        extensions=[],
        warnings=[],
        pilots=0,
        slowdown=1.0,
    )


def settle(run: Run, pilots: Run, folder: RunFolder) -> Run:
    """The run with the warm-ups and the numbers of steps that its pilots found, frozen from here on.

    No pilot is ever taken again: half of a case's blocks with another warm-up would be another case.
    """
    cases, warnings = list(run.cases), list(run.warnings)
    found, out_of_memory = _records(pilots, folder), OutOfMemory()
    for record in (record for records in found for record in records):
        out_of_memory.observe(record)
    for index, records in enumerate(found):
        cases[index] = _less_what_is_too_large(cases[index], records, out_of_memory)
        warnings += _missing(pilots.cases[index], records, out_of_memory)
        warmups = warmup.plans(records)
        cases[index] = dataclasses.replace(cases[index], warmups=warmups)
        judged = [pilot for one in warmups for pilot in one.pilots]
        endless = sum(not pilot.settled for pilot in judged)
        if endless > MOST_ENDLESS * len(judged):
            label = cases[index].case.label
            warnings.append(f"{label}: no end of the warm-up was seen in {endless} of {len(judged)} pilots")
    return dataclasses.replace(run, cases=cases, warnings=warnings, pilots=0)


def _less_what_is_too_large(planned: PlannedCase, records: Sequence[Record], out_of_memory: OutOfMemory) -> PlannedCase:
    """The case with a reason for each competitor that ran out of memory in the pilots of a smaller batch."""
    fitted = {record.competitor for record in records if record.status is Status.OK}
    refusals = [out_of_memory.refuses(planned.case, one) for one in planned.competitors if one not in fitted]
    return dataclasses.replace(planned, unavailable=[*planned.unavailable, *filter(None, refusals)])


def _missing(planned: PlannedCase, records: Sequence[Record], out_of_memory: OutOfMemory) -> list[str]:
    """What the warm-up of a case does not rest on, though it should. Who is a dash in the table is not missed."""
    counted = Counter(record.competitor for record in records if warmup.usable(record))
    dashes = {record.competitor for record in records if record.status in (Status.OOM, Status.UNSUPPORTED)}
    return [
        f"{planned.case.label}: only {counted[one]} of {planned.blocks} pilots of {one.label} can be used"
        for one in planned.competitors
        if counted[one] < planned.blocks and one not in dashes and not out_of_memory.refuses(planned.case, one)
    ]


def _due(case: PlannedCase, pilots: int) -> bool:
    return pilots > 0 and not case.warmups and case.case.workload in STEP_WORKLOADS and bool(case.competitors)


def longer(usual: Sampling) -> Sampling:
    """How the pilots of a case are sampled: all their steps may be warm-up."""
    steps = TWICE * usual.min_steps
    return Sampling(0, steps, max(usual.max_steps, steps), TWICE * usual.min_seconds)


def _records(pilots: Run, folder: RunFolder) -> list[list[Record]]:
    found: list[list[Record]] = [[] for _ in pilots.cases]
    for replicate in run_schedule(pilots):
        try:
            record = read_record(folder, pilots, replicate)
        except BadRecord:
            continue
        if record is not None:
            found[replicate.case].append(record)
    return found
