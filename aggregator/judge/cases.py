"""Cases in groups and in order: numbers as numbers, so that 32 stands before 128."""

import re
from collections.abc import Iterable, Sequence

from aggregator.judge.analysis import CaseResult
from runners.harness.axes import Value
from runners.harness.case import AXES, Case

STAGES = {"decode": "1", "batch": "2", "normalize": "3", "transfer": "4", "product": "1", "copy": "2"}


def by_workload(cases: Sequence[CaseResult]) -> list[tuple[str, list[CaseResult]]]:
    """The cases of each workload, in order of first appearance."""
    grouped: dict[str, list[CaseResult]] = {}
    for case in cases:
        grouped.setdefault(case.case.workload, []).append(case)
    return list(grouped.items())


def by_contest(cases: Sequence[CaseResult]) -> list[list[CaseResult]]:
    """The cases that may be counted together: of one workload, and doing the same work or not."""
    grouped: dict[tuple[str, str], list[CaseResult]] = {}
    for case in cases:
        grouped.setdefault((case.case.workload, case.case.track), []).append(case)
    return list(grouped.values())


def contests(cases: Iterable[CaseResult]) -> list[CaseResult]:
    """The cases in which competitors compete, grouped: neither A/A cases nor the limits of the machine."""
    members = [case for case in cases if not case.is_self and not case.is_roof]
    return [case for group in by_contest(members) for case in group]


def natural(result: CaseResult) -> tuple[object, ...]:
    """The key of its case."""
    return of_case(result.case)


def of_case(case: Case) -> tuple[object, ...]:
    """A key to sort cases by: equal work first, then stage, then axis by axis."""
    axes = [_natural(getattr(case, axis.name)) for axis in AXES]
    return (case.track != "matched", STAGES.get(case.stage or "", case.stage or ""), *axes, repr(case))


def _natural(value: Value | None) -> tuple[object, ...]:
    if isinstance(value, str):
        return tuple((len(part), part) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", value))
    return () if value is None else (value,)


def alike(cases: Iterable[CaseResult], without: Iterable[str]) -> list[list[CaseResult]]:
    """Groups of cases that differ in no axis but those in `without`: each in natural order, in order of appearance."""
    left_out = set(without)
    names = [axis.name for axis in AXES if axis.name not in left_out]
    grouped: dict[tuple[object, ...], list[CaseResult]] = {}
    for result in cases:
        case = result.case
        key = (case.workload, case.device, case.dataset, *(getattr(case, name) for name in names))
        grouped.setdefault(key, []).append(result)
    return [sorted(members, key=natural) for members in grouped.values()]
