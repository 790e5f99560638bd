"""The mean ratio of two competitors over the cases of a family of networks, such as ResNet and VGG.

The mean is no verdict, and its interval is not adjusted for the number of means in a report.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aggregator.judge.across_cases import CHOICES
from aggregator.judge.analysis import CaseResult, Comparison, Environment
from aggregator.judge.cases import alike
from aggregator.judge.sides import Side
from method.compare import ANYTIME, FIXED, Design, Paired, paired
from method.verdict import FEWEST_BLOCKS
from runners.harness.case import Case, Competitor
from runners.harness.families import family

SIZES = ("network", "input_size")
"""The axes over which the mean of a family runs, besides those of CHOICES."""


@dataclass(frozen=True)
class FamilyRatio:
    """The geometric mean over cases of how many times as fast one side is as another, over the blocks of all cases.

    `of` is how many cases of the family both sides should have run. The others are left out: incomparable or disturbed,
    or with too few blocks.
    """

    family: str
    cases: tuple[Case, ...]
    of: int
    fast: Side
    slow: Side
    paired: Paired


def planned_blocks(env: Environment) -> dict[Case, int] | None:
    """How many blocks each case was to have before anything was measured; None without a plan."""
    return {one.case: one.blocks for one in env.run.plan.cases} if env.run.plan else None


def families(cases: Iterable[CaseResult], planned: Mapping[Case, int] | None) -> list[list[FamilyRatio]]:
    """For each group of cases that differ only in network, size and choices, the ratios of each family of networks.

    A family needs two cases. Sides are compared where the report compares them in a case.
    """
    groups = alike(cases, [*SIZES, *(axis.name for axis in CHOICES)])
    found = [list(_of_group(members, planned)) for members in groups if members[0].case.network]
    return [ratios for ratios in found if ratios]


def _of_group(members: Sequence[CaseResult], planned: Mapping[Case, int] | None) -> Iterator[FamilyRatio]:
    by_family: dict[str, list[CaseResult]] = {}
    for result in members:
        by_family.setdefault(family(result.case.network or ""), []).append(result)
    for name, cases in by_family.items():
        pairs = dict.fromkeys(
            (found.left.competitor, found.right.competitor) for result in cases for found in result.comparisons
        )
        asked: set[frozenset[Competitor]] = set()
        for pair in pairs if len(cases) > 1 else ():
            if frozenset(pair) not in asked and (mean := _mean_ratio(name, cases, *pair, planned)):
                asked.add(frozenset(pair))
                yield mean


def _mean_ratio(
    name: str, cases: Sequence[CaseResult], left: Competitor, right: Competitor, planned: Mapping[Case, int] | None
) -> FamilyRatio | None:
    """The ratio of two competitors in a family, the faster first; None for fewer than two cases or too few blocks."""
    counted: list[Comparison] = []
    of = 0
    for result in cases:
        sides = {side.competitor: side for side in result.sides}
        if sides.keys() >= {left, right}:
            of += 1
            found = result.between(sides[left], sides[right])
            blocks = _differences(found, planned)
            if len(blocks) >= FEWEST_BLOCKS and not found.incomparable and not found.disturbed:
                counted.append(found)
    if len(counted) < 2:
        return None
    widened = math.fsum(found.paired.widened for found in counted if found.paired) / len(counted)
    design = ANYTIME if planned is None else FIXED
    compared = mean_over_cases([_differences(found, planned) for found in counted], design, widened)
    if compared is None or compared.low is None:
        return None
    cases_of, first = tuple(found.case for found in counted), counted[0]
    if compared.log_ratio > 0:
        return FamilyRatio(name, cases_of, of, first.left, first.right, compared)
    return FamilyRatio(name, cases_of, of, first.right, first.left, compared.swapped())


def mean_over_cases(
    differences: Sequence[Mapping[int, float]], design: Design = FIXED, widened: float = 0.0
) -> Paired | None:
    """The mean over cases of log(time of right / time of left), from the differences of each case by block.

    In each block that all cases have, the differences are averaged over the cases. The interval is that of the mean of
    these block means, in a fixed design the t interval. This is the error of a contrast in a randomised block design,
    with cases fixed and blocks random (Cochran & Cox, *Experimental Designs*, 1957, chapter 4): what slows all cases of
    a block together stays in it. The geometric mean is the only mean of ratios that does not depend on which side is
    the reference (Fleming & Wallace, *How not to lie with statistics*, CACM 29, 1986). The interval is about these
    cases, not about other networks.

    `widened` is the mean of how far drift widens the intervals of the cases. None for fewer than FEWEST_BLOCKS blocks.
    """
    shared = sorted(set.intersection(*(set(found) for found in differences))) if differences else []
    if len(shared) < FEWEST_BLOCKS:
        return None
    means = [math.fsum(found[number] for found in differences) / len(differences) for number in shared]
    return paired(means, design, widened)


def _differences(found: Comparison, planned: Mapping[Case, int] | None) -> dict[int, float]:
    """The log-ratio of each block that was planned beforehand.

    How many blocks a case gets after these depends on its results, so that a t interval over all of them would miss the
    true ratio more often than it promises. Without a plan all blocks count, and the interval is anytime-valid.
    """
    left, right = found.left.logs, found.right.logs
    most = math.inf if planned is None else planned.get(found.case, 0)
    return {number: right[number] - left[number] for number in sorted(left.keys() & right.keys()) if number < most}
