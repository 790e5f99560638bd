"""Pilots: processes that run before a step case is measured, to fix its warm-up."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

from launcher.plan.cases import pilot_competitors, pilot_sampling
from launcher.run.folder import BadRecord, RunFolder, read_record
from launcher.run.skipping import OutOfMemory
from method import warmup
from method.schedule import run_schedule
from method.statistic import STEP_WORKLOADS
from runners.harness.record import Record, Status
from runners.harness.run import PlannedCase, Run, RunState

MOST_ENDLESS = 0.25
"""The share of a case's pilots whose warm-up may last to their end without a warning."""


def pilot_run(run: Run) -> Run | None:
    """The pilots of `run`, as a small run with the same case numbers; None where none are due."""
    due = [_due(case, run.pilots) for case in run.cases]
    if not any(due):
        return None
    cases = [
        dataclasses.replace(
            case,
            competitors=pilot_competitors(case.competitors) if wanted else [],
            blocks=run.pilots,
            unavailable=[],
            sampling=pilot_sampling(case.sampling),
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
    """The run with the warm-ups and the numbers of steps that its pilots fixed.

    They stay fixed: blocks with another warm-up would measure another case.
    """
    cases, warnings = list(run.cases), list(run.warnings)
    found, out_of_memory = _records(pilots, folder), OutOfMemory()
    for record in (record for records in found for record in records):
        out_of_memory.observe(record)
    for index, records in enumerate(found):
        cases[index] = _without_too_large(cases[index], records, out_of_memory)
        warnings += _missing(pilots.cases[index], records, out_of_memory)
        warmups = warmup.plans(records)
        cases[index] = dataclasses.replace(cases[index], warmups=warmups)
        judged = [pilot for one in warmups for pilot in one.pilots]
        endless = sum(not pilot.settled for pilot in judged)
        if endless > MOST_ENDLESS * len(judged):
            label = cases[index].case.label
            warnings.append(f"{label}: no end of the warm-up was seen in {endless} of {len(judged)} pilots")
    return dataclasses.replace(run, cases=cases, warnings=warnings, pilots=0)


def _without_too_large(planned: PlannedCase, records: Sequence[Record], out_of_memory: OutOfMemory) -> PlannedCase:
    """The case with a reason for each competitor that ran out of memory at a smaller batch in its pilots."""
    fitted = {record.competitor for record in records if record.status is Status.OK}
    refusals = [out_of_memory.refuses(planned.case, one) for one in planned.competitors if one not in fitted]
    return dataclasses.replace(planned, unavailable=[*planned.unavailable, *filter(None, refusals)])


def _missing(planned: PlannedCase, records: Sequence[Record], out_of_memory: OutOfMemory) -> list[str]:
    """A warning for each competitor with fewer usable pilots than planned, unless it is a dash in the tables."""
    counted = Counter(record.competitor for record in records if warmup.usable(record))
    dashes = {record.competitor for record in records if record.status in (Status.OOM, Status.UNSUPPORTED)}
    return [
        f"{planned.case.label}: only {counted[one]} of {planned.blocks} pilots of {one.label} can be used"
        for one in planned.competitors
        if counted[one] < planned.blocks and one not in dashes and not out_of_memory.refuses(planned.case, one)
    ]


def _due(case: PlannedCase, pilots: int) -> bool:
    return pilots > 0 and not case.warmups and case.case.workload in STEP_WORKLOADS and bool(case.competitors)


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
