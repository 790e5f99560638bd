"""Which side of HEAD is compared with which side of BASE."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aggregator.base.text import clean
from aggregator.judge.analysis import Environment
from aggregator.judge.cases import of_case
from aggregator.judge.sides import Side
from runners.harness.case import Case


@dataclass(frozen=True)
class Opposed:
    """One case with the sides of BASE and of HEAD: a side for each environment that measured the case."""

    case: Case
    name: str
    base: tuple[Side, ...]
    head: tuple[Side, ...]

    @property
    def compared(self) -> bool:
        """Both have replicates that ended well."""
        return _any_ok(self.base) and _any_ok(self.head)

    @property
    def failure(self) -> str | None:
        """What failed in HEAD where BASE did not, or None."""
        if not self.head or not _any_ok(self.base):
            return None
        anew = any(side.failures for side in self.head) and not any(side.failures for side in self.base)
        return _why(self.head) if anew or not _any_ok(self.head) else None

    @property
    def missing(self) -> str | None:
        """Why BASE has nothing to compare with; None if it has, or if only HEAD failed."""
        if not self.base or not self.head:
            return "only in BASE" if self.base else "only in HEAD"
        return None if _any_ok(self.base) else f"BASE: {_why(self.base)}"


def oppose(base: Sequence[Environment], head: Sequence[Environment], names: Mapping[str, str]) -> list[Opposed]:
    """Every case that BASE or HEAD has, in natural order; `names` gives HEAD's competitor for each of BASE's."""
    left = _measured(base, {name: name for name in names})
    right = _measured(head, {other: name for name, other in names.items()})
    keys = sorted({*left, *right}, key=lambda key: (key[0].workload, of_case(key[0]), list(names).index(key[1])))
    return [
        Opposed(
            case,
            name_of(competitor, names[competitor]),
            left.get((case, competitor), ()),
            right.get((case, competitor), ()),
        )
        for case, competitor in keys
    ]


def name_of(base: str, head: str) -> str:
    """One label if both are the same competitor, else both labels."""
    return clean(base, 80) if base == head else f"{clean(base, 80)} → {clean(head, 80)}"


def _measured(
    environments: Sequence[Environment], names: Mapping[str, str]
) -> dict[tuple[Case, str], tuple[Side, ...]]:
    found: dict[tuple[Case, str], tuple[Side, ...]] = {}
    for env in environments:
        for result in env.cases:
            for side in result.sides:
                if side.competitor.label in names:
                    key = result.case, names[side.competitor.label]
                    found[key] = (*found.get(key, ()), side)
    return found


def _any_ok(sides: Iterable[Side]) -> bool:
    return any(side.ok for side in sides)


def _why(sides: Sequence[Side]) -> str:
    """Why replicates of these sides are missing, in a few words."""
    for side in sides:
        if side.unavailable:
            return f"{side.unavailable.kind}: {side.unavailable.reason}"
    failures = [record.error for side in sides for record in side.failures]
    if not failures:
        return "not measured"
    reasons = sorted({f"{error.kind}: {error.message}" if error else "no reason was recorded" for error in failures})
    return f"{len(failures)} of {sum(len(side.records) for side in sides)} replicates: {'; '.join(reasons)}"
