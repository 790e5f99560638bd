"""Drafts a run from the options, the profile and the frameworks' declarations."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from launcher import machine
from launcher.datasets.assignment import Assigned, assign, expected
from launcher.datasets.sources import Source, sources
from launcher.errors import UsageError
from launcher.options import Options
from launcher.plan.cases import doubled, expand, reads_data, refused, workloads_of
from launcher.plan.discovery import Contestant, choose, discover
from launcher.plan.left_out import left_out
from launcher.plan.overrides import overridden
from launcher.plan.own_model import WORKLOAD, own_model
from launcher.plan.profile import Profile, load_profile
from launcher.plan.validation import variants
from launcher.text import seconds
from method.statistic import STEP_WORKLOADS
from runners.harness.case import Case
from runners.harness.own_model import OwnModel
from runners.harness.run import PlannedCase, Stopping, cuts_planned


@dataclass(frozen=True)
class Draft:
    """A plan before data and frameworks are prepared.

    `elsewhere` says in a sentence which cases the profile has on another device only, `left_out` in a line for each
    workload what the frameworks offer beyond the cases.
    `reading` are the workloads that read data, from `sources`; `expected` is what these are likely to come to. The time
    budget bounds planned blocks only where `budget_cuts_planned`. `titles` has names as people write them. `model` is
    the user's own model.
    """

    profile: Profile
    cases: list[PlannedCase]
    elsewhere: str
    left_out: list[str]
    reading: list[str]
    sources: list[Source]
    expected: Assigned
    stopping: Stopping | None
    budget_seconds: float | None
    budget_cuts_planned: bool
    titles: dict[str, str]
    model: OwnModel | None


def draft(root: Path, options: Options) -> Draft:
    """Plan a run. Raises UsageError for any unknown name."""
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
    own = own_model(options)
    wanted = [WORKLOAD] if own else options.workloads
    profile, elsewhere = _on_device(profile, options, wanted)
    profile = overridden(profile, wanted, options.overrides, lambda name: variants(name, everyone))
    workloads = workloads_of(profile, wanted, everyone)
    if not workloads:
        raise UsageError(f"profile {options.profile} has no case of workload {', '.join(wanted)}")
    reading = [name for name in workloads if reads_data(name, everyone)]
    found = sources(root, options.data or profile.data, reading, options.strict) if reading else []
    data = assign(reading, [(source, expected(source)) for source in found])
    cases = expand(profile, workloads, contestants, everyone, options.device, data, options.blocks, options.filter, own)
    if not cases:
        raise UsageError(f"no case matches --filter {options.filter!r}; `make plan` without FILTER lists all")
    if options.slowdown != 1 and not any(one.case.workload in STEP_WORKLOADS for one in cases):
        raise UsageError("--slowdown slows the steps of train and infer, and none of these cases has any")
    if options.aa:
        cases = [doubled(one) for one in cases]
    if "workers" not in options.overrides:
        cpus = len(machine.cpu_set(options.cpus))
        cases = [refused(one, "UNSUPPORTED", _too_many_workers(one.case, cpus)) for one in cases]
    cases = [refused(one, "UNSUPPORTED", one.case.copies_nothing) for one in cases]
    stopping = Stopping(**profile.stopping.model_dump()) if profile.stopping and options.blocks is None else None
    cuts = cuts_planned(stopping, options.given)
    model = own.model if own else None
    declared = [one.declaration for one in everyone.values() if one.declaration]
    titles = {name: title for one in declared for name, title in one.titles.items()}
    gone, budget = list(left_out(cases, contestants, everyone, options.device)), _budget(profile, options)
    return Draft(profile, cases, elsewhere, gone, reading, found, data, stopping, budget, cuts, titles, model)


def _on_device(profile: Profile, options: Options, wanted: Sequence[str]) -> tuple[Profile, str]:
    """The profile without the cases that it has on another device only, and a sentence about them; empty for none.

    Cases of a workload that is asked for stay.
    """
    groups = [one for one in profile.cases if options.device in one.devices or one.workload in wanted]
    gone = list(dict.fromkeys(one.workload for one in profile.cases if one not in groups))
    if not groups:
        raise UsageError(f"profile {options.profile} has no case for DEVICE={options.device}")
    if not gone or wanted:
        return profile.model_copy(update={"cases": groups}), ""
    words = ",".join(dict.fromkeys(one.workload for one in profile.cases))
    names = ", ".join(gone)
    said = f"left out: {names}, which this profile has on another device only; WORKLOADS={words} measures {names} too"
    return profile.model_copy(update={"cases": groups}), said


def _most_able(contestants: dict[str, Contestant], workloads: Set[str]) -> dict[str, Contestant]:
    """The contestant that declares most of the workloads; the first of several."""

    def declared(name: str) -> int:
        found = contestants[name].declaration
        return len(workloads & found.workloads.keys()) if found else -1

    ablest = max(contestants, key=declared)
    return {ablest: contestants[ablest]}


def _budget(profile: Profile, options: Options) -> float | None:
    """The time budget that was asked for, else the profile's, unless --blocks fixes the number of blocks."""
    if options.budget is not None:
        return options.budget
    return seconds(profile.budget) if profile.budget and options.blocks is None else None


def _too_many_workers(case: Case, cpus: int) -> str | None:
    """The reason not to run a loader that has more workers than there are CPUs: it would measure the scheduler."""
    if case.workload != "load" or case.workers is None or case.workers <= cpus:
        return None
    return f"more workers ({case.workers}) than CPUs ({cpus}); --workers {case.workers} measures it all the same"
