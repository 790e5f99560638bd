"""What gives no number, and why: failed replicates, files that were left out, planned replicates without a record."""

from collections.abc import Sequence

from aggregator.base.text import clean, clean_lines
from aggregator.judge.analysis import CaseResult, Environment, planned_blocks
from aggregator.judge.sides import Side
from aggregator.read.run_folder import LoadedRun
from aggregator.report.model import Failed
from runners.harness.case import Case, Competitor
from runners.harness.record import Record


def failures(environments: Sequence[Environment], names: dict[Case, str]) -> list[Failed]:
    """The replicates that failed, and the competitors that could not run a case."""
    found = []
    for result in (result for env in environments for result in env.cases):
        where = names[result.case]
        for side in result.sides:
            if side.unavailable:
                kind, reason = clean(side.unavailable.kind, 40), clean(side.unavailable.reason, 400)
                found.append(Failed(side.name, where, kind, reason))
            found += [_failed(side.name, record, where) for record in side.failures]
    return found


def _failed(name: str, record: Record, where: str) -> Failed:
    error = record.error
    what = f"{name}, block {record.block.number} ({clean(record.record_id, 80)})"
    if error is None:
        return Failed(what, where, record.status.value, "no reason was recorded")
    code = "" if error.exit_code is None else f" (exit code {error.exit_code})"
    return Failed(what, where, clean(error.kind, 40), clean(error.message, 600) + code, clean_lines(error.log_tail))


def quarantined(runs: Sequence[LoadedRun]) -> list[Failed]:
    """The files that are no usable record."""
    return [
        Failed(
            clean(item.file, 200),
            clean(run.name, 80),
            "quarantined",
            clean(item.reason, 400) + ("" if item.offset is None else f" (at byte {item.offset})"),
        )
        for run in runs
        for item in run.quarantined
    ]


def incomplete(runs: Sequence[LoadedRun], environments: Sequence[Environment]) -> list[str]:
    """Why the runs are incomplete, in sentences."""
    found = [f"Run {clean(run.name, 80)}: {problem}" for run in runs for problem in run.problems]
    for run in runs:
        planned = _planned(run)
        results = [result for env in environments if env.run is run for result in env.cases]
        missing = sum(planned.values()) - sum(
            _settled(planned.get((result.case, side.competitor), 0), result, side)
            for result in results
            for side in result.sides
        )
        if missing > 0:
            of = sum(planned.values())
            found.append(f"Run {clean(run.name, 80)}: {missing} of {of} planned replicates have no record")
    return found if any(env.cases for env in environments) else [*found, "no case was measured"]


def _planned(run: LoadedRun) -> dict[tuple[Case, Competitor], int]:
    """How many replicates each side was to have."""
    return {
        (planned.case, competitor): planned_blocks(run, run.plan, index)
        for index, planned in enumerate(run.plan.cases if run.plan else ())
        for competitor in planned.competitors
        if run.plan and competitor not in {one.competitor for one in planned.unavailable}
    }


def _settled(blocks: int, result: CaseResult, side: Side) -> int:
    """The planned replicates of a side that are accounted for: those with a record, and those that a run leaves out
    because the side fails, or because the sides do not do the same work. The report says so at the case."""
    if (side.failures and not side.ok) or any(found.incomparable for found in result.comparisons):
        return blocks
    return sum(record.block.number < blocks for record in side.records)
