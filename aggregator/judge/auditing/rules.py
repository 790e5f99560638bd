"""Applies the rules of a run again, to its own records: added blocks, warm-up, sampling options."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from aggregator.base.quantities import count
from aggregator.judge.auditing.findings import Finding, by_case, place
from aggregator.judge.same_work import contradict
from aggregator.read.replicate import computed
from aggregator.read.run_folder import LoadedRun
from method import stopping, warmup
from method.statistic import STEP_WORKLOADS, Summary, retained
from runners.harness.case import Case, Competitor
from runners.harness.record import Record, Status
from runners.harness.run import Run, RunState

SAMPLING = ("--warmup-steps", "--min-steps", "--max-steps", "--min-seconds", "--threads")


def extensions(run: LoadedRun) -> Finding:
    """Each case that got more blocks was the rule's choice from the earlier records; only a budget ends a run early."""
    name, plan = "stopping rule replayed", run.plan
    if plan is None or plan.stopping is None:
        unknown = "no run.json to say how the run was to stop" if plan is None else "a fixed number of blocks"
        problems = ["run.json names added blocks, but no rule"] if plan and plan.extensions else []
        return Finding(name, problems, unknown, skipped=True)
    problems, before = [], by_case(run.records)
    so_far = replace(plan, extensions=[], continued=[])
    standings = _standings(so_far, before, range(len(plan.cases)))
    while (turn := len(so_far.extensions)) < len(plan.extensions):
        if turn in plan.continued:
            so_far = replace(so_far, continued=[*so_far.continued, turn])
            standings = _standings(so_far, before, range(len(plan.cases)))
        wanted = _choice(standings, so_far)
        chosen = plan.extensions[turn : turn + max(1, len(wanted))]
        if chosen != wanted:
            problems.append(f"extension {turn} went to {_named(plan, chosen)}, the rule chooses {_named(plan, wanted)}")
        so_far = replace(so_far, extensions=[*so_far.extensions, *chosen])
        standings |= _standings(so_far, before, chosen)
    open_end = _choice(standings, so_far)
    if open_end and plan.state is RunState.COMPLETE and plan.budget_seconds is None:
        problems.append(f"the run stopped where the rule goes on with {_named(plan, open_end)}")
    ended = "the rule was done" if not open_end else "what ended the run before the rule did is not proved"
    again = f", {count(len(plan.continued), 'time')} after it had ended" if plan.continued else ""
    return Finding(
        name, problems, f"{count(len(plan.extensions), 'extension')}{again}, each the rule's choice; {ended}"
    )


def _standings(
    plan: Run, before: Mapping[Case, list[Record]], cases: Iterable[int]
) -> dict[int, stopping.Standing | None]:
    """The state of these cases when the run had the plan's blocks; None for a case whose competitors do different work,
    which gets no more blocks."""
    found: dict[int, stopping.Standing | None] = {}
    for index in cases:
        planned, blocks = plan.cases[index], plan.blocks(index)
        records = [record for record in before.get(planned.case, []) if record.block.number < blocks]
        replicates: dict[Competitor, dict[int, Summary]] = {}
        for record in records:
            if record.status is Status.OK:
                replicates.setdefault(record.competitor, {})[record.block.number] = computed(record)
        found[index] = None
        if plan.stopping and not contradict(records):
            found[index] = stopping.of_case(plan, index, replicates)
    return found


def _choice(standings: Mapping[int, stopping.Standing | None], run: Run) -> list[int]:
    """The indexes of the cases that the rule chooses among the open cases."""
    assert run.stopping is not None
    still_open = [(index, found) for index, found in sorted(standings.items()) if found is not None]
    standing = [found for _, found in still_open]
    chosen = stopping.next_cases(standing, run.stopping, bool(run.continued), run.at_once)
    return [still_open[place][0] for place in chosen]


def _named(plan: Run, cases: Sequence[int]) -> str:
    return " and ".join(plan.cases[index].case.label for index in cases) or "none"


def warm_up(run: LoadedRun, pilots: Sequence[Record]) -> Finding:
    """Every replicate discarded the warm-up that its pilots fixed, and kept at least as many steps as they fixed."""
    went_well = [record for record in pilots if record.status is Status.OK]
    problems = [f"pilot {place(record)}: holds no times" for record in went_well if not warmup.usable(record)]
    checked, piloted = 0, 0
    called_for = {case: warmup.plans(records) for case, records in by_case(went_well).items()}
    planned = {one.case: one.warmups for one in run.plan.cases} if run.plan else called_for
    for case, records in by_case(run.records).items():
        kept = [record for record in records if record.status is Status.OK and record.samples]
        if case.workload not in STEP_WORKLOADS or not kept:
            continue
        warmups = called_for.get(case, [])
        piloted += bool(warmups)
        if planned.get(case, []) != warmups:
            otherwise = "run.json's warm-up is not the one that its pilots call for"
            missing = "run.json names a warm-up from pilots, but no pilot's record is there"
            problems.append(f"{case.label}: {otherwise if warmups else missing}")
        due = {one.competitor: (one.warmup_steps, one.kept_steps) for one in warmups or planned.get(case, [])}
        unpiloted = [_discarded(record) for record in kept if record.competitor.without_alias not in due]
        checked += len(kept)
        for record in kept:
            steps, least = due.get(record.competitor.without_alias) or (unpiloted[0], 1)
            problems += [text] if (text := _warmed_up_otherwise(record, steps, least)) else []
    said = f"{count(checked, 'replicate')}, the same throughout for each side; {count(piloted, 'case')} with pilots"
    return Finding("warm-up frozen", problems, said, skipped=not checked)


def _discarded(record: Record) -> int:
    assert record.samples is not None
    return record.samples.warmup_steps


def _warmed_up_otherwise(record: Record, steps: int, least: int) -> str:
    if (discarded := _discarded(record)) != steps:
        return f"{place(record)}: {count(discarded, 'step')} of warm-up, not {steps}"
    assert record.samples is not None
    kept = len(retained(record.samples))
    return f"{place(record)}: {count(kept, 'step')} kept, fewer than {least}" if kept < least else ""


def sampling(run: LoadedRun, pilots: Sequence[Record]) -> Finding:
    """All replicates of a case (of a program, if it had pilots) were started with the same sampling options, and the
    slowdown of a competitor never changed."""
    problems = []
    piloted = {(record.case, record.competitor.without_alias) for record in pilots if warmup.usable(record)}
    alike: defaultdict[tuple[Case, Competitor | None], list[Record]] = defaultdict(list)
    for record in run.records:
        one = record.competitor.without_alias
        alike[record.case, one if (record.case, one) in piloted else None].append(record)
    for records in alike.values():
        asked = _asked(records[0])
        slowed: dict[Competitor, float] = {}
        for record in records:
            if _asked(record) != asked:
                problems.append(
                    f"{place(record)}: asked for {_asked(record)}; the first to compare with was for {asked}"
                )
            if record.samples:
                factor = record.samples.injected_slowdown
                if slowed.setdefault(record.competitor, factor) != factor:
                    problems.append(f"{place(record)}: slowed down {factor:g}×, before {slowed[record.competitor]:g}×")
    return Finding("sampling frozen", problems, "the same options for all replicates of a side")


def _asked(record: Record) -> str:
    pairs = zip(record.command, record.command[1:], strict=False)
    return " ".join(f"{option} {value}" for option, value in pairs if option in SAMPLING) or "no sampling options"
