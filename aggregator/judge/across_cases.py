"""What the cases of one environment show together: best settings, scaling, and the mean ratio of a family of networks.

None of these numbers is a verdict. The intervals hold for each number by itself; they are not adjusted for how many
numbers a report shows.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from scipy import stats

from aggregator.judge.analysis import CaseResult, Comparison, Environment, compare_sides
from aggregator.judge.cases import natural
from aggregator.judge.means import Mean, geometric_mean
from aggregator.judge.metrics import items_per_second
from aggregator.judge.sides import Side
from method.compare import ALPHA, ANYTIME, ENDED_ALPHA, FIXED, Design, Paired, paired, ratio
from method.verdict import FEWEST_BLOCKS
from runners.harness.axes import Axis
from runners.harness.case import AXES, Case, Competitor
from runners.harness.families import family
from runners.harness.record import Status

CHOICES = tuple(axis for axis in AXES if axis.choice)
"""The axes that are the user's to choose."""
SIZES = ("network", "input_size")
"""The axes over which the mean of a family runs, besides those of CHOICES."""
FEWEST_REPLICATES = 2
LEVEL = 0.05
"""A larger value of an axis that brings less than this is not worth it."""


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one side is as another, with its interval.

    `n` is the number of replicates of each of the two, or the number of their blocks if they were measured side by
    side.
    """

    value: float
    low: float
    high: float
    n: tuple[int, ...]

    @property
    def side_by_side(self) -> bool:
        """Whether the interval is from differences within blocks."""
        return len(self.n) == 1


@dataclass(frozen=True)
class Setting:
    """One side of one case, as one of the settings that a user may choose."""

    case: CaseResult
    side: Side

    @cached_property
    def log_rates(self) -> list[float]:
        """The logs of the images per second, by replicate."""
        return [math.log(rate) for rate in self.side.values(items_per_second)]

    @cached_property
    def rate(self) -> Mean:
        """Images per second."""
        return geometric_mean(self.log_rates)

    @property
    def time(self) -> Mean:
        """Seconds of a step, a batch or a training."""
        return geometric_mean(list(self.side.logs.values()))


@dataclass(frozen=True)
class Peak:
    """The fastest of the settings in which a framework with a loader was measured, over its variants too."""

    best: Setting
    tried: tuple[Setting, ...]

    @property
    def program(self) -> Competitor:
        """The competitor without its variant."""
        return program(self.best.side)

    @property
    def variants(self) -> int:
        """In how many variants it was measured."""
        return len({setting.side.competitor.variant for setting in self.tried})

    def is_last(self, axis: Axis) -> bool:
        """Whether its value is the largest that was measured, so that it may be faster still beyond it."""
        values = {getattr(setting.case.case, axis.name) for setting in self.tried}
        return len(values) > 1 and getattr(self.best.case.case, axis.name) == max(values)


@dataclass(frozen=True)
class Scaling:
    """How the rate of a side changes along an axis: the rate at the `largest` value over the rate at the `smallest`.

    `enough` is the smallest value that no larger value beats by LEVEL or more, judged by the means.
    """

    side: Side
    smallest: int
    largest: int
    ratio: Ratio
    enough: int


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


def program(side: Side) -> Competitor:
    """A side's competitor without its variant: the framework with its loader."""
    return replace(side.competitor, variant="")


def alike(cases: Iterable[CaseResult], without: Iterable[str]) -> list[list[CaseResult]]:
    """Groups of cases that differ in no axis but those in `without`, each in natural order."""
    left_out = set(without)
    names = [axis.name for axis in AXES if axis.name not in left_out]
    grouped: dict[tuple[object, ...], list[CaseResult]] = {}
    for result in sorted(cases, key=natural):
        case = result.case
        key = (case.workload, case.device, case.dataset, *(getattr(case, name) for name in names))
        grouped.setdefault(key, []).append(result)
    return list(grouped.values())


def tasks(cases: Iterable[CaseResult]) -> list[list[CaseResult]]:
    """Groups of two or more cases that differ only in what users may choose."""
    return [members for members in alike(cases, (axis.name for axis in CHOICES)) if len(members) > 1]


def peaks(members: Sequence[CaseResult]) -> list[Peak]:
    """The best setting of each framework with its loader in the cases of one task, fastest first."""
    settings: dict[Competitor, list[Setting]] = {}
    for result in members:
        for side in result.sides:
            if _counts(side):
                settings.setdefault(program(side), []).append(Setting(result, side))
    found = [Peak(max(tried, key=lambda one: one.rate.value), tuple(tried)) for tried in settings.values()]
    return sorted(found, key=lambda peak: -peak.best.rate.value)


def ratio_of_peaks(members: Sequence[CaseResult], fast: Peak, slow: Peak, adaptive: bool) -> Ratio | None:
    """How many times the `slow` peak the `fast` peak is; None where that is unknown or the work differs.

    Two peaks in the same case were measured side by side: their interval is that of the case's comparison. Else it is
    `unpaired`. Each peak was chosen after the fact as the best of several. Where all settings of a side are equally
    fast, the best of them is fast by luck: then the 95 % interval holds the ratio in 91 % (six settings against one)
    and in more than 95 % (six against six), in simulation; it is exact where the best setting is clearly best.
    """
    if not same_work(members, fast.best.side.competitor, slow.best.side.competitor):
        return None
    if fast.best.case is slow.best.case:
        found = _comparison(fast.best.case, fast.best.side, slow.best.side).paired
        if found is None or found.low is None or found.high is None:
            return None
        return Ratio(ratio(found.log_ratio), ratio(found.low), ratio(found.high), (found.n,))
    return unpaired(fast.best.log_rates, slow.best.log_rates, adaptive)


def same_work(members: Sequence[CaseResult], left: Competitor, right: Competitor) -> bool:
    """Whether two competitors meet in a case of the task, and do the same work in every case in which they meet."""
    met = [
        _comparison(result, sides[left], sides[right])
        for result in members
        if (sides := {side.competitor: side for side in result.sides if side.ok}).keys() >= {left, right}
    ]
    return bool(met) and not any(found.incomparable for found in met)


def unpaired(fast: Sequence[float], slow: Sequence[float], adaptive: bool) -> Ratio | None:
    """exp(mean of `fast` − mean of `slow`), of logs of rates that were not measured in the same blocks.

    The interval is Welch's (*The generalization of "Student's" problem when several different population variances are
    involved*, Biometrika 34, 1947), as scipy computes it: a t interval whose degrees of freedom follow from both
    scatters. In an `adaptive` run, which stops a case when it is answered, it has the level that the method gives a t
    interval after such a stop. None where a side has one replicate, or no scatter, which no running clock has.
    """
    if min(len(fast), len(slow)) < FEWEST_REPLICATES or len(set(fast)) == 1 or len(set(slow)) == 1:
        return None
    tested = stats.ttest_ind(fast, slow, equal_var=False)
    low, high = tested.confidence_interval(1 - (ENDED_ALPHA if adaptive else ALPHA))
    middle = math.fsum(fast) / len(fast) - math.fsum(slow) / len(slow)
    return Ratio(ratio(middle), ratio(float(low)), ratio(float(high)), (len(fast), len(slow)))


def scaling(members: Sequence[CaseResult], axis: Axis, adaptive: bool) -> list[Scaling]:
    """How each side of these cases, which differ only in `axis`, changes with it."""
    settings: dict[str, dict[int, Setting]] = {}
    for result in members:
        for side in result.sides:
            if _counts(side):
                settings.setdefault(side.label, {})[getattr(result.case, axis.name)] = Setting(result, side)
    found = []
    for tried in settings.values():
        smallest, largest = min(tried), max(tried)
        compared = unpaired(tried[largest].log_rates, tried[smallest].log_rates, adaptive)
        if smallest != largest and compared:
            rates = {value: setting.rate.value for value, setting in tried.items()}
            found.append(Scaling(tried[largest].side, smallest, largest, compared, enough(rates)))
    return found


def enough(rates: Mapping[int, float]) -> int:
    """The smallest value that no larger value beats by LEVEL or more."""
    return min(
        value
        for value in rates
        if all(rates[larger] < (1 + LEVEL) * rates[value] for larger in rates if larger > value)
    )


def along(cases: Iterable[CaseResult], axis: Axis) -> list[list[CaseResult]]:
    """Groups of two or more cases that differ only in a numeric axis."""
    return [members for members in alike(cases, [axis.name]) if axis.kind is int and len(members) > 1]


def adaptive(env: Environment) -> bool:
    """Whether the number of replicates may depend on the results; unknown without a plan."""
    return env.run.plan is None or env.run.plan.stopping is not None


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
            found = _comparison(result, sides[left], sides[right])
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


def _comparison(result: CaseResult, left: Side, right: Side) -> Comparison:
    """The comparison of two sides of a case, with `left` as its left side."""
    found = next(
        (one for one in result.comparisons if {one.left.competitor, one.right.competitor} == _competitors(left, right)),
        None,
    )
    if found is None:
        design = next((one.paired.design for one in result.comparisons if one.paired), FIXED)
        return compare_sides(result.case, left, right, design)
    if found.left.competitor == left.competitor:
        return found
    turned = found.paired.swapped() if found.paired else None
    return replace(found, left=found.right, right=found.left, paired=turned)


def _competitors(left: Side, right: Side) -> set[Competitor]:
    return {left.competitor, right.competitor}


def _counts(side: Side) -> bool:
    """Whether a side has a mean with an interval, and no replicate that did other work than asked."""
    invalid = any(record.status is Status.INVALID for record in side.failures)
    return len(side.ok) >= FEWEST_REPLICATES and not invalid
