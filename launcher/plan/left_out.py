"""Says what the frameworks offer and no case of a plan has."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from launcher.plan.discovery import Contestant
from runners.harness.case import AXES
from runners.harness.own_model import OF_MODEL, PRECISIONS
from runners.harness.precision import lacking
from runners.harness.run import PlannedCase
from runners.harness.workload import Workload

COPIES = ("transfer", "piped")
"""The stage and the way to copy that a loader has on a GPU only."""


def left_out(
    cases: Sequence[PlannedCase], contestants: Mapping[str, Contestant], everyone: Iterable[str], device: str
) -> Iterator[str]:
    """A line for each workload, such as `infer: scope transfer+compute; variant tensorflow/xla`, and for frameworks."""
    offered: dict[str, dict[str, Workload]] = {}
    for found in contestants.values():
        for workload, offer in found.declaration.workloads.items() if found.declaration else ():
            if device in offer.devices:
                offered.setdefault(workload, {})[found.name] = offer
    planned = dict.fromkeys(one.case.workload for one in cases)
    for workload in planned:
        members, offers = [one for one in cases if one.case.workload == workload], offered.get(workload, {})
        if gone := [*_values(members, offers.values(), device), *_ways(members, offers)]:
            yield f"{workload}: {'; '.join(gone)}"
    if more := [workload for workload in offered if workload not in planned]:
        yield f"workloads: {', '.join(more)}"
    if absent := [name for name in everyone if name not in {one.name for one in contestants.values()}]:
        yield f"frameworks: {', '.join(absent)}"


def _values(cases: Sequence[PlannedCase], offers: Iterable[Workload], device: str) -> Iterator[str]:
    case = cases[0].case
    for axis in (one for one in AXES if one.offers and one.usual_of(case.workload) is not None):
        if case.model and axis.name in OF_MODEL:
            continue
        planned = {getattr(one.case, axis.name) for one in cases}
        offered = dict.fromkeys(value for offer in offers for value in getattr(offer, axis.offers))
        gone = [value for value in offered if value not in planned]
        if axis.name == "precision":
            gone = [
                value for value in gone if not lacking(device, value) and not (case.model and value not in PRECISIONS)
            ]
        if device == "cpu":
            gone = [value for value in gone if value not in COPIES]
        if gone:
            yield f"{axis.column} {', '.join(gone)}"


def _ways(cases: Sequence[PlannedCase], offers: Mapping[str, Workload]) -> Iterator[str]:
    sides = [one for planned in cases for one in planned.competitors]
    for what, field in (("variant", "variants"), ("loader", "every_loader")):
        planned = {(one.framework, getattr(one, what)) for one in sides}
        offered = [(framework, name) for framework, offer in offers.items() for name in getattr(offer, field)]
        if gone := ["/".join(pair) for pair in offered if pair not in planned]:
            yield f"{what} {', '.join(gone)}"
