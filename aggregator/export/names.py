"""Names that differ: two names of a record may read the same once they are cleaned."""

from collections.abc import Callable, Hashable, Iterable
from itertools import count
from typing import TypeVar

from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from runners.harness.case import Case

T = TypeVar("T", bound=Hashable)


def unique_names(values: Iterable[T], show: Callable[[T], str]) -> dict[T, str]:
    """The name that `show` gives each value, with a number after it if another value has that name already."""
    found: dict[T, str] = {}
    taken: set[str] = set()
    for value in dict.fromkeys(values):
        name = show(value)
        numbered = (f"{name}-{number}" for number in count(2))
        found[value] = name if name not in taken else next(one for one in numbered if one not in taken)
        taken.add(found[value])
    return found


def case_names(results: Iterable[CaseResult]) -> dict[Case, str]:
    """The label of each case, unique."""
    return unique_names((result.case for result in results), lambda case: clean(case.label, 300))
