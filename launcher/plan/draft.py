"""What a run would do, as far as the options, the profile and the frameworks' declarations say. Starts nothing."""

from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path

from launcher import machine
from launcher.datasets.assignment import Assigned, Dataset, assign, expected
from launcher.datasets.sources import Source, sources
from launcher.errors import UsageError
from launcher.options import Options
from launcher.plan.cases import doubled, expand, reads_data, refused, workloads_of
from launcher.plan.discovery import Contestant, choose, discover
from launcher.plan.overrides import overridden
from launcher.plan.profile import Profile, load_profile
from launcher.plan.validation import variants
from launcher.text import seconds
from method.statistic import STEP_WORKLOADS
from runners.harness.case import Case
from runners.harness.run import PlannedCase, Stopping, cuts_planned


@dataclass(frozen=True)
class Draft:
    """A plan before its data sets and frameworks are prepared: `cases` name the data sets as they are expected to be.

    `reading` are the workloads that read data, `sources` where it comes from. The time budget bounds planned blocks
    only where `budget_cuts_planned`.
    """

    profile: Profile
    cases: list[PlannedCase]
    reading: list[str]
    sources: list[Source]
    stopping: Stopping | None
    budget_seconds: float | None
    budget_cuts_planned: bool

    def expected_data(self) -> Assigned:
        """The data set of each workload, as far as it can be told before data is prepared."""
        return self.assigned([expected(source) for source in self.sources])

    def assigned(self, datasets: list[Dataset]) -> Assigned:
        """The data set of each workload, once there is one for each source."""
        return assign(self.reading, list(zip(self.sources, datasets, strict=True)))


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
    profile = overridden(profile, options.workloads, options.overrides, lambda name: variants(name, everyone))
    workloads = workloads_of(profile, options.workloads, everyone)
    if not workloads:
        raise UsageError(f"profile {options.profile} has no case of workload {', '.join(options.workloads)}")
    reading = [name for name in workloads if reads_data(name, everyone)]
    found = sources(root, options.data or profile.data, reading, options.strict) if reading else []
    stopping = None if options.blocks is not None or not profile.stopping else Stopping(**profile.stopping.model_dump())
    drafted = Draft(
        profile, [], reading, found, stopping, _budget(profile, options), cuts_planned(stopping, options.given)
    )
    references = drafted.expected_data().references()
    cases = expand(
        profile, workloads, contestants, everyone, options.device, references, options.blocks, options.filter
    )
    if not cases:
        raise UsageError(f"no case matches --filter {options.filter!r}; `make plan` without FILTER lists all")
    if options.slowdown != 1 and not any(one.case.workload in STEP_WORKLOADS for one in cases):
        raise UsageError("--slowdown slows the steps of train and infer, and none of these cases has any")
    if options.aa:
        cases = [doubled(one) for one in cases]
    if "workers" not in options.overrides:
        cpus = len(machine.cpu_set(options.cpus))
        cases = [refused(one, "UNSUPPORTED", _too_many_workers(one.case, cpus)) for one in cases]
    return replace(drafted, cases=cases)


def _most_able(contestants: dict[str, Contestant], workloads: Set[str]) -> dict[str, Contestant]:
    """The one that declares most of the workloads; of equals the first."""

    def declared(name: str) -> int:
        found = contestants[name].declaration
        return len(workloads & found.workloads.keys()) if found else -1

    ablest = max(contestants, key=declared)
    return {ablest: contestants[ablest]}


def _budget(profile: Profile, options: Options) -> float | None:
    """The time budget: as asked, else the profile's, which --blocks lifts and which leaves the planned blocks alone."""
    if options.budget is not None:
        return options.budget
    return seconds(profile.budget) if profile.budget and options.blocks is None else None


def _too_many_workers(case: Case, cpus: int) -> str | None:
    """Loaders with more workers than CPUs measure the scheduler; who wants that has to say so."""
    if case.workload != "load" or case.workers is None or case.workers <= cpus:
        return None
    return f"more workers ({case.workers}) than CPUs ({cpus}); --workers {case.workers} measures it all the same"
