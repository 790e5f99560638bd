"""Replaces values of a profile by those of the command line: `make bench NETWORKS=vgg16 SIZES=128`."""

from collections.abc import Callable, Collection, Mapping, Sequence

from launcher.errors import UsageError, unknown
from launcher.options import Overrides, flag
from launcher.plan.profile import CaseGroup, Profile
from launcher.plan.validation import alike
from runners.harness.case import AXES

COPY = "copy"
CHOICES = ("all", "usual")
REPLACED: dict[str, tuple[str, tuple[str, ...]]] = {
    **{axis.option: (axis.name, tuple(axis.chosen_for)) for axis in AXES if axis.option},
    "variants": ("variants", ("train", "infer", "scale", "load", "fit", "export")),
    "loaders": ("loaders", ("load", "fit")),
}
"""The key of a profile's cases that each option replaces, and the workloads to which it applies."""


def overridden(
    profile: Profile, wanted: Sequence[str], overrides: Overrides, variants: Callable[[str], Collection[str]]
) -> Profile:
    """The profile with other values. An option that applies to none of the `wanted` workloads is a UsageError."""
    workloads = {group.workload for group in profile.cases if not wanted or group.workload in wanted}
    for name in overrides:
        _, applies_to = REPLACED[name]
        if not workloads & {*applies_to}:
            others = ", ".join(sorted(workloads))
            raise UsageError(f"{flag(name)} applies to {', '.join(applies_to)}; these cases are of {others}")
    declared = {name: variants(name) for name in workloads & {*REPLACED["variants"][1]}}
    for name in map(str, overrides.get("variants", ())):
        everywhere = {each for names in declared.values() for each in names}
        if name not in CHOICES and name not in everywhere:
            raise UsageError(unknown("variant", name, alike(name, everywhere)))
    groups = [part for group in profile.cases for part in _parts(group)]
    return profile.model_copy(update={"cases": [_changed(group, overrides, declared) for group in groups]})


def _parts(group: CaseGroup) -> list[CaseGroup]:
    """The group, with the machine's copy rate in a group of its own: copied bytes have no precision."""
    stages = group.asked("stage")
    if group.workload != "roof" or stages is None:
        return [group]
    parts = ([stage for stage in stages if stage != COPY], [stage for stage in stages if stage == COPY])
    return [group.model_copy(update={"stage": stages}) for stages in parts if stages]


def _changed(group: CaseGroup, overrides: Overrides, declared: Mapping[str, Collection[str]]) -> CaseGroup:
    if group.workload == "roof" and group.asked("stage") == [COPY]:
        return group
    update: dict[str, object] = {}
    for name, values in overrides.items():
        key, applies_to = REPLACED[name]
        if group.workload not in applies_to:
            continue
        if len(values) == 1 and values[0] in CHOICES:
            update[key] = values[0]
        elif key != "variants":
            update[key] = list(values)
        elif applicable := [value for value in values if value in declared.get(group.workload, ())]:
            # A loader has no variant `graph`, and a step none called `plain`: a group without any keeps its own.
            update[key] = applicable
    return group.model_copy(update=update)
