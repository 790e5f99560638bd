"""From a profile and what the frameworks declare to cases with their competitors."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from launcher.discovery import Contestant
from launcher.errors import UsageError, unknown
from launcher.known import offers, require_known
from launcher.profile import CaseGroup, Profile, Sampling
from runners.harness.axes import Value
from runners.harness.case import AXES, Case, Competitor, DatasetRef
from runners.harness.run import PlannedCase, Unavailable
from runners.harness.workload import Workload

SLOWED = "B"
"""The label of an A/A check that an injected slowdown goes to."""

WORKLOADS = frozenset(name for axis in AXES if isinstance(axis.usual, Mapping) for name in axis.usual)
"""Workloads whose axes are declared; another takes what its profile names."""


@dataclass(frozen=True)
class Planned:
    """One case of the plan, and how its replicates are measured."""

    planned: PlannedCase
    sampling: Sampling
    timeout: float


def reads_data(workload: str, contestants: Mapping[str, Contestant]) -> bool:
    """Whether any framework's declaration of the workload names a loader."""
    return any(offer.loaders for offer in offers(workload, contestants))


def workloads_of(profile: Profile, wanted: Sequence[str], contestants: Mapping[str, Contestant]) -> list[str]:
    """The profile's workloads in order, less those not wanted. An unknown name is a UsageError."""
    declared = {name for found in contestants.values() if found.declaration for name in found.declaration.workloads}
    known = declared | WORKLOADS
    for name in [*wanted, *(group.workload for group in profile.cases)]:
        if name not in known:
            raise UsageError(unknown("workload", name, known))
    return list(dict.fromkeys(group.workload for group in profile.cases if not wanted or group.workload in wanted))


def expand(
    profile: Profile,
    workloads: Sequence[str],
    contestants: Mapping[str, Contestant],
    everyone: Mapping[str, Contestant],
    device: str,
    datasets: Mapping[str, DatasetRef],
    blocks: int | None,
    pattern: str = "",
) -> list[Planned]:
    """All cases of the `workloads`, in the profile's order; the same case in two groups is one case.

    `everyone` is what names are known from, `contestants` who takes part.
    """
    found: dict[Case, Planned] = {}
    for group in profile.cases:
        if group.workload not in workloads:
            continue
        declared = offers(group.workload, everyone)
        require_known(group, declared, device)
        sampling = _sampling(profile.sampling, group)
        for case in _matrix(group, device, datasets.get(group.workload), declared):
            if not _matches(case.label, pattern):
                continue
            competitors, unavailable = _competitors(case, group, contestants)
            if case in found:
                earlier = found[case].planned
                competitors = list(dict.fromkeys([*earlier.competitors, *competitors]))
                unavailable = list(dict.fromkeys([*earlier.unavailable, *unavailable]))
            planned = PlannedCase(case, competitors, blocks or group.blocks or profile.blocks, unavailable)
            found[case] = Planned(planned, sampling, group.timeout or profile.timeout)
    return list(found.values())


def without(planned: Planned, unbuilt: Mapping[str, str]) -> Planned:
    """The case less the competitors whose programs could not be built, with the reason for each."""
    case = planned.planned
    staying = [one for one in case.competitors if one.program not in unbuilt]
    leaving = [Unavailable(one, "BUILD", unbuilt[one.program]) for one in case.competitors if one.program in unbuilt]
    changed = dataclasses.replace(case, competitors=staying, unavailable=[*case.unavailable, *leaving])
    return dataclasses.replace(planned, planned=changed)


def doubled(planned: Planned) -> Planned:
    """The case as an A/A check runs it: its first competitor under two labels, and nobody else."""
    case = planned.planned
    labels = [dataclasses.replace(one, alias=alias) for one in case.competitors[:1] for alias in ("A", SLOWED)]
    return dataclasses.replace(planned, planned=dataclasses.replace(case, competitors=labels))


def _matches(text: str, pattern: str) -> bool:
    return not pattern or pattern in text or fnmatch(text, pattern)


def _sampling(usual: Sampling, group: CaseGroup) -> Sampling:
    changed = usual.model_copy(update=group.sampling.model_dump(exclude_none=True))
    if changed.max_steps < changed.min_steps:
        raise UsageError(f"{group.workload}: max_steps {changed.max_steps} is less than min_steps {changed.min_steps}")
    return changed


def _matrix(group: CaseGroup, device: str, dataset: DatasetRef | None, declared: Sequence[Workload]) -> Iterator[Case]:
    """Every combination of the group's values, the usual ones where it names none."""
    values: list[Sequence[Value | None]] = []
    for axis in AXES:
        asked, usual = group.asked(axis.name), axis.usual_of(group.workload)
        if asked is not None and usual is None and group.workload in WORKLOADS:
            has = ", ".join(one.name for one in AXES if one.usual_of(group.workload) is not None)
            raise UsageError(f"{group.workload}: {axis.name} does not apply to it; it has {has}")
        values.append([usual] if asked is None else asked)
    for chosen in itertools.product(*values):
        parameters: dict[str, Any] = dict(zip((axis.name for axis in AXES), chosen, strict=True))
        if group.asked("input_size") is None and parameters["network"]:
            sizes = [offer.usual_size(parameters["network"]) for offer in declared]
            parameters["input_size"] = next(filter(None, sizes), parameters["input_size"])
        yield Case(group.workload, device, dataset=dataset, **parameters)


def _competitors(
    case: Case, group: CaseGroup, contestants: Mapping[str, Contestant]
) -> tuple[list[Competitor], list[Unavailable]]:
    competitors: list[Competitor] = []
    unavailable: list[Unavailable] = []
    for found in _in_order(_taking_part(case.workload, contestants)):
        offer = found.declaration.workloads.get(case.workload) if found.declaration else None
        reason = found.problem or _lacks(case, offer)
        chosen = _chosen(found, group, offer) if offer else []
        if not reason and not chosen:
            reason = f"declares none of the variants or loaders that the profile names for {case.workload}"
        if reason:
            unavailable += [
                Unavailable(one, "UNSUPPORTED", reason)
                for one in chosen or [Competitor(found.name, "", version=found.version)]
            ]
        else:
            competitors += chosen
    return competitors, unavailable


def _taking_part(workload: str, contestants: Mapping[str, Contestant]) -> list[Contestant]:
    """Who declares the workload, or could not be asked: one that never meant to take part has not failed to finish.

    Where nobody declares it, all are shown with that reason.
    """
    taking = [one for one in contestants.values() if not one.declaration or workload in one.declaration.workloads]
    return taking or list(contestants.values())


def _in_order(contestants: Sequence[Contestant]) -> list[Contestant]:
    """Who declares the most workloads comes first: it is in most cases, and a report compares the others with it."""
    return sorted(contestants, key=lambda one: -len(one.declaration.workloads) if one.declaration else 0)


def _lacks(case: Case, offer: Workload | None) -> str:
    """What the case needs and the framework does not declare, or nothing."""
    if offer is None:
        return f"does not declare the workload {case.workload}"
    needs = [(axis.name, getattr(case, axis.name), getattr(offer, axis.offers)) for axis in AXES if axis.offers]
    needs.append(("device", case.device, offer.devices))
    missing = [f"{what} {value}" for what, value, known in needs if value is not None and value not in known]
    sizes = offer.sizes.get(case.network or "", ())
    if sizes and case.input_size not in sizes:
        missing.append(f"size {case.input_size} of {case.network}")
    return f"does not declare {', '.join(missing)} for {case.workload}" if missing else ""


def _chosen(found: Contestant, group: CaseGroup, offer: Workload) -> list[Competitor]:
    variants = _choice(group.variants, offer.variants[:1], offer.variants)
    loaders = _choice(group.loaders, offer.loaders, offer.every_loader) if offer.loaders else [""]
    return [
        Competitor(found.name, variant, loader, version=found.version) for loader in loaders for variant in variants
    ]


def _choice(choice: str | list[str], usual: Sequence[str], declared: Sequence[str]) -> list[str]:
    if isinstance(choice, list):
        return [name for name in choice if name in declared]
    return list(declared if choice == "all" else usual)
