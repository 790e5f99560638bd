"""Cases in groups and in order: numbers as numbers, so that 32 stands before 128."""

import re
from collections.abc import Callable, Hashable, Iterable
from operator import attrgetter
from typing import TypeVar

from aggregator.judge.analysis import CaseResult
from runners.harness.axes import Value
from runners.harness.case import AXES, Case

T = TypeVar("T", bound=Hashable)
STAGES = {"decode": "1", "batch": "2", "normalize": "3", "transfer": "4", "product": "1", "copy": "2"}


def grouped(cases: Iterable[CaseResult], key: Callable[[Case], T]) -> dict[T, list[CaseResult]]:
    """The cases by a key, in order of first appearance."""
    found: dict[T, list[CaseResult]] = {}
    for result in cases:
        found.setdefault(key(result.case), []).append(result)
    return found


def by_workload(cases: Iterable[CaseResult]) -> list[tuple[str, list[CaseResult]]]:
    """The cases of each workload."""
    return list(grouped(cases, attrgetter("workload")).items())


def by_contest(cases: Iterable[CaseResult]) -> list[list[CaseResult]]:
    """The cases that may be counted together: of one workload, and doing the same work or not."""
    return list(grouped(cases, attrgetter("workload", "track")).values())


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
    groups = grouped(cases, attrgetter("workload", "device", "dataset", *names))
    return [sorted(members, key=natural) for members in groups.values()]
