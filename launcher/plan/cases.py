"""Makes planned cases of a profile and the frameworks' declarations."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any

from launcher.datasets.assignment import Assigned
from launcher.errors import UsageError, require_name
from launcher.plan.discovery import Contestant
from launcher.plan.own_model import Own
from launcher.plan.profile import CaseGroup, Profile
from launcher.plan.validation import offers, require_declared
from runners.harness.axes import Value
from runners.harness.case import AXES, Case, Competitor
from runners.harness.own_model import KINDS, OF_MODEL
from runners.harness.run import PlannedCase, Unavailable
from runners.harness.sampling import Sampling
from runners.harness.workload import Workload

SLOWED = "B"
"""The label of an A/A check whose steps an injected slowdown slows."""

TWICE = 2
"""How much longer than a replicate a pilot is: a warm-up shows only against the level that follows it."""

WORKLOADS = frozenset(name for axis in AXES if isinstance(axis.usual, Mapping) for name in axis.usual)
"""Workloads whose axes are declared. Any other workload takes the axes that its profile names."""


def reads_data(workload: str, contestants: Mapping[str, Contestant]) -> bool:
    """Whether any framework declares loaders for the workload."""
    return any(offer.loaders for offer in offers(workload, contestants))


def workloads_of(profile: Profile, wanted: Sequence[str], contestants: Mapping[str, Contestant]) -> list[str]:
    """The profile's workloads in order, or only those wanted. An unknown name is a UsageError."""
    declared = {name for found in contestants.values() if found.declaration for name in found.declaration.workloads}
    for name in [*wanted, *(group.workload for group in profile.cases)]:
        require_name("workload", name, declared | WORKLOADS)
    return list(dict.fromkeys(group.workload for group in profile.cases if not wanted or group.workload in wanted))


def expand(
    profile: Profile,
    workloads: Sequence[str],
    contestants: Mapping[str, Contestant],
    everyone: Mapping[str, Contestant],
    device: str,
    assigned: Assigned,
    blocks: int | None,
    pattern: str = "",
    own: Own | None = None,
) -> list[PlannedCase]:
    """All cases of the `workloads`, in the profile's order. A case that two groups have is one case.

    `contestants` take part; `everyone` declares which names exist. `own` takes the place of all networks.
    """
    found: dict[Case, PlannedCase] = {}
    for group in profile.cases:
        if group.workload not in workloads:
            continue
        declared = offers(group.workload, everyone)
        require_declared(group, everyone, device)
        sampling = _sampling(profile, group)
        for case in _matrix(group, device, declared):
            case = replace(own.instead(case) if own else case, dataset=assigned.reference(case)[0])
            if not _matches(case.label, pattern):
                continue
            competitors, unavailable = _competitors(case, group, contestants)
            if case in found:
                earlier = found[case]
                competitors = list(dict.fromkeys([*earlier.competitors, *competitors]))
                unavailable = list(dict.fromkeys([*earlier.unavailable, *unavailable]))
            found[case] = PlannedCase(
                case,
                competitors,
                blocks or group.blocks or profile.blocks,
                unavailable,
                sampling=sampling,
                timeout=group.timeout or profile.timeout,
            )
    return list(found.values())


def refused(case: PlannedCase, kind: str, reason: str | None) -> PlannedCase:
    """The case without competitors, each with the reason; the case itself where there is no reason."""
    if reason is None:
        return case
    gone = [Unavailable(one, kind, reason) for one in case.competitors]
    return replace(case, competitors=[], unavailable=[*case.unavailable, *gone])


def without(case: PlannedCase, unbuilt: Mapping[str, str]) -> PlannedCase:
    """The case without the competitors whose programs could not be built, each with the reason."""
    staying = [one for one in case.competitors if one.program not in unbuilt]
    gone = [Unavailable(one, "BUILD", unbuilt[one.program]) for one in case.competitors if one.program in unbuilt]
    return replace(case, competitors=staying, unavailable=[*case.unavailable, *gone])


def doubled(case: PlannedCase) -> PlannedCase:
    """The case as an A/A check runs it: its first competitor alone, under two labels."""
    labels = [replace(one, alias=alias) for one in case.competitors[:1] for alias in ("A", SLOWED)]
    return replace(case, competitors=labels)


def with_data(cases: Sequence[PlannedCase], assigned: Assigned) -> list[PlannedCase]:
    """The cases with references to their data sets. A case whose data set is missing has no competitors."""
    data = [assigned.reference(one.case) for one in cases]
    if all(reason for _, reason in data):
        raise UsageError("; ".join(dict.fromkeys(reason for _, reason in data if reason)))
    found = [
        refused(replace(one, case=replace(one.case, dataset=reference)), "DATA", reason)
        for one, (reference, reason) in zip(cases, data, strict=True)
    ]
    if not any(one.competitors for one in found):
        reasons = {f"{gone.competitor.program}: {gone.reason}" for one in found for gone in one.unavailable}
        raise UsageError("no competitor can run any of these cases: " + "; ".join(sorted(reasons)))
    return found


def pilot_competitors(competitors: Sequence[Competitor]) -> list[Competitor]:
    """The competitors that have pilots: of the two labels of an A/A run only the first."""
    first: dict[Competitor, Competitor] = {}
    for one in competitors:
        first.setdefault(one.without_alias, one)
    return list(first.values())


def pilot_sampling(usual: Sampling) -> Sampling:
    """How pilots are sampled where replicates are sampled so: all steps of a pilot may be warm-up."""
    steps = TWICE * usual.min_steps
    return Sampling(0, steps, max(usual.max_steps, steps), TWICE * usual.min_seconds)


def _matches(text: str, pattern: str) -> bool:
    return not pattern or pattern in text or fnmatch(text, pattern)


def _sampling(profile: Profile, group: CaseGroup) -> Sampling:
    keys = [one.model_dump(exclude_none=True) for one in (profile.sampling, group.sampling)]
    sampling = Sampling(**(keys[0] | keys[1]))
    if sampling.max_steps < sampling.min_steps:
        raise UsageError(
            f"{group.workload}: max_steps {sampling.max_steps} is less than min_steps {sampling.min_steps}"
        )
    return sampling


def _matrix(group: CaseGroup, device: str, declared: Sequence[Workload]) -> Iterator[Case]:
    """Every combination of the group's values; an axis that it does not name has its usual value."""
    values: list[Sequence[Value | None]] = []
    for axis in AXES:
        asked, usual = group.asked(axis.name), axis.usual_of(group.workload)
        if asked is not None and usual is None and group.workload in WORKLOADS:
            has = ", ".join(one.name for one in AXES if one.usual_of(group.workload) is not None)
            raise UsageError(f"{group.workload}: {axis.name} does not apply to it; it has {has}")
        values.append([usual] if asked is None else asked)
    for combination in itertools.product(*values):
        parameters: dict[str, Any] = dict(zip((axis.name for axis in AXES), combination, strict=True))
        if group.asked("input_size") is None and parameters["network"]:
            sizes = [offer.usual_size(parameters["network"]) for offer in declared]
            parameters["input_size"] = next(filter(None, sizes), parameters["input_size"])
        yield Case(group.workload, device, **parameters)


def _competitors(
    case: Case, group: CaseGroup, contestants: Mapping[str, Contestant]
) -> tuple[list[Competitor], list[Unavailable]]:
    competitors: list[Competitor] = []
    unavailable: list[Unavailable] = []
    for found in _in_order(_taking_part(case, contestants)):
        offer = found.declaration.workloads.get(case.workload) if found.declaration else None
        reason = found.problem or _lacks(case, offer)
        named = _named(found, group, offer) if offer else []
        if not reason and not named:
            reason = f"declares none of the variants or loaders that the profile names for {case.workload}"
        if reason:
            unavailable += [
                Unavailable(one, "UNSUPPORTED", reason)
                for one in named or [Competitor(found.name, "", version=found.version)]
            ]
        else:
            competitors += named
    return competitors, unavailable


def _taking_part(case: Case, contestants: Mapping[str, Contestant]) -> list[Contestant]:
    """The contestants that declare the workload, or whose declaration failed; all of them where none declares it.

    A framework that does not export to a format takes no part in it, as in a workload that it does not have.
    """

    def takes(found: Contestant) -> bool:
        offer = found.declaration.workloads.get(case.workload) if found.declaration else None
        return not found.declaration or (offer is not None and case.format in (None, *offer.formats))

    return [one for one in contestants.values() if takes(one)] or list(contestants.values())


def _in_order(contestants: Sequence[Contestant]) -> list[Contestant]:
    """Sorted by the number of workloads that they declare: a report compares the others with the first."""
    return sorted(contestants, key=lambda one: -len(one.declaration.workloads) if one.declaration else 0)


def _lacks(case: Case, offer: Workload | None) -> str:
    """What the case needs and the framework does not declare; empty where nothing is missing."""
    if offer is None:
        return f"does not declare the workload {case.workload}"
    values = [(axis, getattr(case, axis.name)) for axis in AXES]
    if case.model:
        if case.model.kind not in offer.models:
            loads = " or ".join(KINDS[kind] for kind in offer.models) or "none"
            return f"does not load {KINDS[case.model.kind]} (of your own models it loads {loads})"
        values = [(axis, value) for axis, value in values if axis.name not in OF_MODEL]
    missing = [f"{axis.name} {value}" for axis, value in values if not offer.supports(axis, case.workload, value)]
    missing += [f"device {case.device}"] if case.device not in offer.devices else []
    sizes = offer.sizes.get(case.network or "", ())
    if sizes and case.input_size not in sizes:
        missing.append(f"size {case.input_size} of {case.network}")
    return f"does not declare {', '.join(missing)} for {case.workload}" if missing else ""


def _named(found: Contestant, group: CaseGroup, offer: Workload) -> list[Competitor]:
    chosen = group.variants
    if isinstance(chosen, list):  # `eager`, or `pytorch/eager`
        chosen = list(dict.fromkeys(name.removeprefix(f"{found.name}/") for name in chosen))
    variants = _choice(chosen, offer.variants[:1], offer.variants)
    loaders = _choice(group.loaders, offer.loaders, offer.every_loader) if offer.loaders else [""]
    return [
        Competitor(found.name, variant, loader, version=found.version) for loader in loaders for variant in variants
    ]


def _choice(choice: str | list[str], usual: Sequence[str], declared: Sequence[str]) -> list[str]:
    if isinstance(choice, list):
        return [name for name in choice if name in declared]
    return list(declared if choice == "all" else usual)
