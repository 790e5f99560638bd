"""Checks what a profile or a command line names against the frameworks' declarations and the device."""

from collections.abc import Collection, Mapping, Sequence

from launcher.errors import UsageError, unknown
from launcher.plan.discovery import Contestant
from launcher.plan.profile import CaseGroup
from runners.harness.case import AXES
from runners.harness.precision import lacking
from runners.harness.workload import Workload


def offers(workload: str, contestants: Mapping[str, Contestant]) -> list[Workload]:
    """The declarations of a workload, one for each framework that has it."""
    declarations = [found.declaration for found in contestants.values() if found.declaration]
    return [one.workloads[workload] for one in declarations if workload in one.workloads]


def variants(workload: str, contestants: Mapping[str, Contestant]) -> set[str]:
    """The names of a workload's variants: `eager` in every framework that declares it, `pytorch/eager` in one alone."""
    declarations = [found.declaration for found in contestants.values() if found.declaration]
    pairs = [
        (one.name, name)
        for one in declarations
        if workload in one.workloads
        for name in one.workloads[workload].variants
    ]
    return {name for _, name in pairs} | {"/".join(pair) for pair in pairs}


def alike(word: str, names: Collection[str]) -> list[str]:
    """The names of variants that this word may mean: with a framework if it has one, else without."""
    return [name for name in names if ("/" in name) == ("/" in word)]


def require_declared(group: CaseGroup, contestants: Mapping[str, Contestant], device: str) -> None:
    """Raise UsageError for a value that no framework declares or that the device lacks.

    A value that only some frameworks declare is a dash for the others.
    """
    declared = offers(group.workload, contestants)
    if not declared:
        return
    _require_names(group, declared)
    for name in _names(group.variants):
        known = variants(group.workload, contestants)
        if name not in known:
            raise UsageError(f"{group.workload}: {unknown('variant', name, alike(name, known))}")
    for network in group.asked("network") or ():
        _require_sizes(group, network, [offer for offer in declared if network in offer.networks])
    for name in group.asked("precision") or ():
        if reason := lacking(device, name):
            precisions = dict.fromkeys(one for offer in declared for one in offer.precisions)
            has = ", ".join(one for one in precisions if not lacking(device, one))
            raise UsageError(f"{group.workload}: precision {name!r}: {reason}; it has {has}")


def _require_names(group: CaseGroup, declared: Sequence[Workload]) -> None:
    asked = [
        (axis.name, group.asked(axis.name) or [], {name for offer in declared for name in getattr(offer, axis.offers)})
        for axis in AXES
        if axis.offers
    ]
    asked += [
        ("loader", _names(group.loaders), {name for offer in declared for name in offer.every_loader}),
    ]
    for what, words, names in asked:
        for word in words:
            if word not in names:
                raise UsageError(f"{group.workload}: {unknown(what, word, names)}")


def _require_sizes(group: CaseGroup, network: str, declared: Sequence[Workload]) -> None:
    taken = [offer.sizes.get(network, ()) for offer in declared]
    sizes = sorted({size for each in taken for size in each})
    for size in group.asked("input_size") or ():
        if all(taken) and size not in sizes:
            can = ", ".join(map(str, sizes))
            raise UsageError(
                f"{group.workload}: {network} is measured at {can} pixels a side, not at {size}; --sizes chooses"
            )


def _names(choice: str | list[str]) -> list[str]:
    return choice if isinstance(choice, list) else []
