"""What the page's script needs besides the tables: the settings of each case, and the ratios of its sides."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from aggregator.base.case_names import digest
from aggregator.base.quantities import ratio_of
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult, Comparison, Environment
from method.compare import Paired, ratio
from runners.harness.case import AXES, Case

Data = dict[str, Any]


def page_data(environments: Sequence[Environment], names: dict[Case, str]) -> Data:
    """`cases`: title and settings by digest. `parts`: for each environment, by digest, the labels of a case's sides,
    which of them is the reference, and `ratios[baseline][side]`: how many times as fast the side is as the baseline."""
    cases = {digest(result.case): result.case for env in environments for result in env.cases}
    return {
        "cases": {name: {"title": names[case], "settings": _settings(case)} for name, case in cases.items()},
        "parts": [
            {digest(result.case): _relative(result) for result in env.cases if not result.is_roof}
            for env in environments
        ],
    }


def _settings(case: Case) -> dict[str, str]:
    """What the page can be filtered by."""
    values = [(axis, getattr(case, axis.name)) for axis in AXES]
    found = {"workload": case.workload, "device": case.device}
    found |= {axis.column: axis.shown(value) for axis, value in values if value is not None}
    if case.dataset:
        found["data"] = case.dataset.id
    return {name: clean(value, 60) for name, value in found.items()}


def _relative(result: CaseResult) -> Data:
    sides, reference = result.sides, result.reference
    ratios: list[list[Data | None]] = [[None] * len(sides) for _ in sides]
    for (left, one), (right, other) in combinations(enumerate(sides), 2):
        found = result.between(one, other)
        if found.paired and not found.incomparable:
            ratios[left][right] = _shown(found.paired.swapped(), found)
            ratios[right][left] = _shown(found.paired, found)
    return {
        "sides": [side.name for side in sides],
        "reference": sides.index(reference) if reference else None,
        "ratios": ratios,
    }


def _shown(found: Paired, comparison: Comparison) -> Data | None:
    """No ratio without its interval and n."""
    value, (text, interval) = ratio(found.log_ratio), ratio_of(found)
    if not text:
        return None
    disturbed = ", disturbed" if comparison.disturbed else ""
    return {"value": float(f"{value:.6g}"), "text": f"{text}×", "detail": f"{interval}, n {found.n}{disturbed}"}
