"""Published step times compared with each other: ratios over the cells that both frameworks finished."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from aggregator.base.quantities import DASH, significant
from aggregator.published.step_times import Cells, StepTime


@dataclass(frozen=True)
class Pair:
    """Two frameworks of one table: the geometric mean of left's time / right's over `cells` cells, None over none."""

    left: str
    right: str
    ratio: float | None
    cells: int


@dataclass(frozen=True)
class StepTable:
    """The published cells of one workload on one kind of device."""

    workload: str
    device: str
    cells: Cells

    @cached_property
    def frameworks(self) -> list[str]:
        """In order of first appearance."""
        return list(dict.fromkeys(name for row in self.cells.values() for name in row))

    @cached_property
    def pairs(self) -> list[Pair]:
        """Each framework with each later one."""
        return [self._pair(*names) for names in combinations(self.frameworks, 2)]

    def missing(self, framework: str) -> int:
        """Of how many settings the framework has no figure."""
        return sum(framework not in row or row[framework].seconds is None for row in self.cells.values())

    def _pair(self, left: str, right: str) -> Pair:
        ratios = [found for row in self.cells.values() if (found := ratio(row, left, right)) is not None]
        mean = math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else None
        return Pair(left, right, mean, len(ratios))


def ratio(row: Mapping[str, StepTime], left: str, right: str) -> float | None:
    """Left's time / right's, or None if a figure is missing."""
    times = [row[name].seconds if name in row else None for name in (left, right)]
    return None if times[0] is None or times[1] is None else times[0] / times[1]


def printed(value: float | None) -> str:
    """Two decimals, or two digits of a small ratio: without an interval, more may mean nothing."""
    return DASH if value is None else significant(value, 3 if value >= 1 else 2)


def step_tables(cells: Cells) -> list[StepTable]:
    """A table for each workload and kind of device, in order of first appearance."""
    found: dict[tuple[str, str], Cells] = {}
    for setting, row in cells.items():
        found.setdefault((setting.workload, setting.device), {})[setting] = row
    return [StepTable(workload, device, members) for (workload, device), members in found.items()]
