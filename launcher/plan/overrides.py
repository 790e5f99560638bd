"""What a person asks for instead of a profile's own values: `make bench NETWORKS=vgg16 SIZES=128`."""

from collections.abc import Callable, Collection, Mapping, Sequence

from launcher.errors import UsageError, require_name
from launcher.options import Overrides, flag
from launcher.plan.profile import CaseGroup, Profile
from runners.harness.case import AXES

COPY = "copy"
CHOICES = ("all", "usual")
REPLACED: dict[str, tuple[str, tuple[str, ...]]] = {
    **{axis.option: (axis.name, tuple(axis.chosen_for)) for axis in AXES if axis.option},
    "variants": ("variants", ("train", "infer", "load", "fit")),
    "loaders": ("loaders", ("load", "fit")),
}
"""Each option with the key of a profile's cases that it replaces, and the workloads where it does."""


def overridden(
    profile: Profile, wanted: Sequence[str], overrides: Overrides, variants: Callable[[str], Collection[str]]
) -> Profile:
    """The profile with the values asked for. One that none of the `wanted` workloads could feel is a UsageError."""
    workloads = {group.workload for group in profile.cases if not wanted or group.workload in wanted}
    for name in overrides:
        _, feel = REPLACED[name]
        if not workloads & {*feel}:
            others = ", ".join(sorted(workloads))
            raise UsageError(f"{flag(name)} applies to {', '.join(feel)}; these cases are of {others}")
    declared = {name: variants(name) for name in workloads & {*REPLACED["variants"][1]}}
    for name in map(str, overrides.get("variants", ())):
        everywhere = {each for names in declared.values() for each in names}
        if name not in CHOICES:
            require_name("variant", name, everywhere)
    groups = [part for group in profile.cases for part in _parts(group)]
    return profile.model_copy(update={"cases": [_changed(group, overrides, declared) for group in groups]})


def _parts(group: CaseGroup) -> list[CaseGroup]:
    """The machine's copy rate apart from its other rates: bytes have no precision to choose."""
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
        key, feel = REPLACED[name]
        if group.workload not in feel:
            continue
        if len(values) == 1 and values[0] in CHOICES:
            update[key] = values[0]
        elif key != "variants":
            update[key] = list(values)
        elif at_home := [value for value in values if value in declared.get(group.workload, ())]:
            # `graph` says nothing to a loader, nor `plain` to a step: who knows none of them runs as ever.
            update[key] = at_home
    return group.model_copy(update=update)
