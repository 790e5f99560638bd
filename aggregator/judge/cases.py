"""Cases that belong together."""

from collections.abc import Sequence

from aggregator.judge.analysis import CaseResult


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
