"""What a person asks for instead of a profile's own values: `make bench NETWORKS=vgg16 SIZES=128`."""

from collections.abc import Callable, Collection, Mapping, Sequence

from launcher.errors import UsageError, unknown
from launcher.profile import CaseGroup, Profile
from runners.harness.axes import Value
from runners.harness.case import AXES

COPY = "copy"
CHOICES = ("all", "usual")
OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    **{axis.option: (axis.name, tuple(axis.chosen_for)) for axis in AXES if axis.option},
    "variants": ("variants", ("train", "infer", "load", "fit")),
    "loaders": ("loaders", ("load", "fit")),
}
"""Each option with the key of a profile's cases that it replaces, and the workloads where it does."""

Selection = Mapping[str, Sequence[Value]]
"""The values asked for, by option; those not asked for are the profile's."""


def selected(
    profile: Profile, wanted: Sequence[str], selection: Selection, variants: Callable[[str], Collection[str]]
) -> Profile:
    """The profile with the values asked for. One that none of the `wanted` workloads could feel is a UsageError."""
    workloads = {group.workload for group in profile.cases if not wanted or group.workload in wanted}
    for name in selection:
        _, feel = OPTIONS[name]
        if not workloads & {*feel}:
            option, those = f"--{name.replace('_', '-')}", ", ".join(sorted(workloads))
            raise UsageError(f"{option} applies to {', '.join(feel)}; these cases are of {those}")
    known = {name: variants(name) for name in workloads & {*OPTIONS["variants"][1]}}
    for name in map(str, selection.get("variants", ())):
        everywhere = {each for names in known.values() for each in names}
        if name not in {*everywhere, *CHOICES}:
            raise UsageError(unknown("variant", name, everywhere))
    groups = [part for group in profile.cases for part in _parts(group)]
    return profile.model_copy(update={"cases": [_changed(group, selection, known) for group in groups]})


def _parts(group: CaseGroup) -> list[CaseGroup]:
    """The machine's copy rate apart from its other rates: bytes have no precision to choose."""
    stages = group.asked("stage")
    if group.workload != "roof" or stages is None:
        return [group]
    parts = ([stage for stage in stages if stage != COPY], [stage for stage in stages if stage == COPY])
    return [group.model_copy(update={"stage": stages}) for stages in parts if stages]


def _changed(group: CaseGroup, selection: Selection, known: Mapping[str, Collection[str]]) -> CaseGroup:
    if group.workload == "roof" and group.asked("stage") == [COPY]:
        return group
    update: dict[str, object] = {}
    for name, values in selection.items():
        key, feel = OPTIONS[name]
        if group.workload not in feel:
            continue
        if len(values) == 1 and values[0] in CHOICES:
            update[key] = values[0]
        elif key != "variants":
            update[key] = list(values)
        elif at_home := [value for value in values if value in known.get(group.workload, ())]:
            # `graph` says nothing to a loader, nor `plain` to a step: who knows none of them runs as ever.
            update[key] = at_home
    return group.model_copy(update=update)
