"""What a run would do: its cases, its order, how long it takes. Starts nothing."""

import dataclasses
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from launcher import budget, data, machine
from launcher.cases import Planned, doubled, expand, reads_data, workloads_of
from launcher.discovery import Contestant, choose, discover
from launcher.errors import UsageError
from launcher.known import variants
from launcher.options import Options
from launcher.profile import Profile, load_profile
from launcher.selection import selected
from method.statistic import STEP_WORKLOADS
from runners.harness.case import Case
from runners.harness.run import Stopping, Unavailable


@dataclass(frozen=True)
class Draft:
    """All that is known before data and frameworks are prepared."""

    profile: Profile
    everyone: dict[str, Contestant]
    contestants: dict[str, Contestant]
    workloads: list[str]
    sources: list[data.Source]

    @property
    def data_workloads(self) -> list[str]:
        """The workloads that read a data set."""
        return [name for name in self.workloads if reads_data(name, self.everyone)]


def draft(root: Path, options: Options) -> Draft:
    """Read profile and frameworks. Raises UsageError for any unknown name."""
    everyone = discover(root)
    if not everyone:
        raise UsageError(f"{root}: no framework found; each is a folder under images/ and runners/")
    contestants = choose(root, everyone, options.frameworks)
    profile = load_profile(root, options.profile)
    if options.aa:
        contestants = _most_able(contestants, {group.workload for group in profile.cases})
    if options.timeout is not None:
        groups = [group.model_copy(update={"timeout": None}) for group in profile.cases]
        profile = profile.model_copy(update={"timeout": options.timeout, "cases": groups})
    profile = selected(profile, options.workloads, options.selection, lambda name: variants(name, everyone))
    workloads = workloads_of(profile, options.workloads, everyone)
    if not workloads:
        raise UsageError(f"profile {options.profile} has no case of workload {', '.join(options.workloads)}")
    needing = [name for name in workloads if reads_data(name, everyone)]
    sources = data.sources(root, options.data or profile.data, needing, options.strict) if needing else []
    return Draft(profile, everyone, contestants, workloads, sources)


def _most_able(contestants: dict[str, Contestant], workloads: Set[str]) -> dict[str, Contestant]:
    """The one that declares most of the workloads; of equals the first."""

    def declared(name: str) -> int:
        found = contestants[name].declaration
        return len(workloads & found.workloads.keys()) if found else -1

    chosen = max(contestants, key=declared)
    return {chosen: contestants[chosen]}


def planned_cases(drafted: Draft, options: Options, assigned: data.Assigned) -> list[Planned]:
    """The cases with their data. Cases whose workload has no data set that fits run nobody, with the reason."""
    cases = expand(
        drafted.profile,
        drafted.workloads,
        drafted.contestants,
        drafted.everyone,
        options.device,
        assigned.references(),
        options.blocks,
        options.filter,
    )
    if not cases:
        raise UsageError(f"no case matches --filter {options.filter!r}; `make plan` without FILTER lists all")
    if all(case.planned.case.workload in assigned.reasons for case in cases):
        raise UsageError("; ".join(dict.fromkeys(assigned.reasons.values())))
    if options.aa:
        cases = [doubled(case) for case in cases]
    if options.slowdown != 1 and not any(case.planned.case.workload in STEP_WORKLOADS for case in cases):
        raise UsageError("--slowdown slows the steps of train and infer, and none of these cases has any")
    cases = [_refused(case, "DATA", assigned.reasons.get(case.planned.case.workload)) for case in cases]
    if "workers" not in options.selection:
        cpus = len(machine.cpu_set(options.cpus))
        cases = [_refused(case, "UNSUPPORTED", _crowd(case.planned.case, cpus)) for case in cases]
    if not any(case.planned.competitors for case in cases):
        reasons = {f"{one.competitor.program}: {one.reason}" for case in cases for one in case.planned.unavailable}
        raise UsageError("nobody can run any of these cases: " + "; ".join(sorted(reasons)))
    return cases


def stopping(drafted: Draft, options: Options) -> Stopping | None:
    """How an adaptive run stops; None where the number of blocks is fixed, as --blocks fixes it."""
    rule = drafted.profile.stopping
    return None if rule is None or options.blocks is not None else Stopping(**rule.model_dump())


def budget_seconds(drafted: Draft, options: Options) -> float | None:
    """The time budget: as asked, else the profile's, which --blocks lifts and which leaves the planned blocks alone."""
    usual = None if options.blocks is not None else budget.seconds(drafted.profile.budget)
    return options.budget or usual


def _crowd(case: Case, cpus: int) -> str | None:
    """Loaders with more workers than CPUs measure the scheduler; who wants that has to say so."""
    if case.workload != "load" or case.workers is None or case.workers <= cpus:
        return None
    return f"more workers ({case.workers}) than CPUs ({cpus}); --workers {case.workers} measures it all the same"


def _refused(planned: Planned, kind: str, reason: str | None) -> Planned:
    """The case without its competitors, where there is a reason for it."""
    if reason is None:
        return planned
    case = planned.planned
    gone = [Unavailable(one, kind, reason) for one in case.competitors]
    return dataclasses.replace(
        planned, planned=dataclasses.replace(case, competitors=[], unavailable=[*case.unavailable, *gone])
    )


def batch_sizes(cases: Sequence[Planned]) -> dict[str, int]:
    """The largest batch of each workload."""
    sizes: dict[str, int] = {}
    for case in _cases(cases):
        sizes[case.workload] = max(case.batch_size, sizes.get(case.workload, 0))
    return sizes


def _cases(cases: Sequence[Planned]) -> list[Case]:
    return [planned.planned.case for planned in cases]
