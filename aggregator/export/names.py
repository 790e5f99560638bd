"""Names that differ: what a record calls two things may read the same once it is cleaned."""

from collections.abc import Callable, Hashable, Iterable
from itertools import count
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def unique_names(values: Iterable[T], show: Callable[[T], str]) -> dict[T, str]:
    """What `show` calls each value, with a number after it where another value has that name already."""
    found: dict[T, str] = {}
    taken: set[str] = set()
    for value in dict.fromkeys(values):
        name = show(value)
        numbered = (f"{name}-{number}" for number in count(2))
        found[value] = name if name not in taken else next(one for one in numbered if one not in taken)
        taken.add(found[value])
    return found
