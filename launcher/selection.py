"""What a person asks for instead of a profile's own values: `make bench NETWORKS=vgg16 SIZES=128`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from launcher.errors import UsageError, unknown
from launcher.profile import CaseGroup, Profile

STEPS = ("train", "infer")
FIT = ("fit",)
COPY = "copy"
CHOICES = ("all", "usual")
OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "networks": ("network", STEPS),
    "sizes": ("input_size", STEPS),
    "batches": ("batch_size", (*STEPS, *FIT)),
    "precision": ("precision", (*STEPS, "roof")),
    "scope": ("scope", STEPS),
    "variants": ("variants", (*STEPS, "load", *FIT)),
    "workers": ("workers", ("load", *FIT)),
    "loaders": ("loaders", ("load", *FIT)),
    "cache": ("cache", FIT),
    "augment": ("augment", FIT),
    "epochs": ("epochs", FIT),
    "seeds": ("seed", FIT),
    "test_each_epoch": ("test_each_epoch", FIT),
}
"""Each option with the key of a profile's cases that it replaces, and the workloads where it does: the machine's own
rates are measured in the precision of what is held against them."""


@dataclass(frozen=True)
class Selection:
    """The values asked for; those not asked for are the profile's."""

    networks: Sequence[str] = ()
    sizes: Sequence[int] = ()
    batches: Sequence[int] = ()
    precision: Sequence[str] = ()
    scope: Sequence[str] = ()
    variants: Sequence[str] = ()
    workers: Sequence[int] = ()
    loaders: Sequence[str] = ()
    cache: Sequence[bool] = ()
    augment: Sequence[bool] = ()
    epochs: Sequence[int] = ()
    seeds: Sequence[int] = ()
    test_each_epoch: Sequence[bool] = ()

    def given(self) -> dict[str, list[str] | list[int] | list[bool]]:
        """The options asked for, with their values."""
        return {name: list(getattr(self, name)) for name in OPTIONS if getattr(self, name)}


def selected(
    profile: Profile, wanted: Sequence[str], selection: Selection, variants: Callable[[str], Collection[str]]
) -> Profile:
    """The profile with the values asked for. One that none of the `wanted` workloads could feel is a UsageError."""
    workloads = {group.workload for group in profile.cases if not wanted or group.workload in wanted}
    for name in selection.given():
        _, feel = OPTIONS[name]
        if not workloads & {*feel}:
            option, those = f"--{name.replace('_', '-')}", ", ".join(sorted(workloads))
            raise UsageError(f"{option} applies to {', '.join(feel)}; these cases are of {those}")
    known = {name: variants(name) for name in workloads & {*OPTIONS["variants"][1]}}
    for name in selection.variants:
        everywhere = {each for names in known.values() for each in names}
        if name not in {*everywhere, *CHOICES}:
            raise UsageError(unknown("variant", name, everywhere))
    groups = [part for group in profile.cases for part in _parts(group)]
    return profile.model_copy(update={"cases": [_changed(group, selection, known) for group in groups]})


def _parts(group: CaseGroup) -> list[CaseGroup]:
    """The machine's copy rate apart from its other rates: bytes have no precision to choose."""
    if group.workload != "roof" or group.stage is None:
        return [group]
    others = [stage for stage in group.stage if stage != COPY]
    parts = (others, [stage for stage in group.stage if stage == COPY])
    return [group.model_copy(update={"stage": stages}) for stages in parts if stages]


def _changed(group: CaseGroup, selection: Selection, known: Mapping[str, Collection[str]]) -> CaseGroup:
    if group.workload == "roof" and group.stage == [COPY]:
        return group
    update: dict[str, object] = {}
    for name, values in selection.given().items():
        key, feel = OPTIONS[name]
        if group.workload not in feel:
            continue
        if len(values) == 1 and values[0] in CHOICES:
            update[key] = values[0]
        elif key != "variants":
            update[key] = values
        elif at_home := [value for value in values if value in known.get(group.workload, ())]:
            # `graph` says nothing to a loader, nor `plain` to a step: who knows none of them runs as ever.
            update[key] = at_home
    return group.model_copy(update=update)
