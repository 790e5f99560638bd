"""What cases that differ in settings show together: the best setting of each competitor, and scaling.

None of these numbers is a verdict. The intervals hold for each number by itself; they are not adjusted for how many
numbers a report shows.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from scipy import stats

from aggregator.judge.analysis import CaseResult, Environment
from aggregator.judge.cases import alike
from aggregator.judge.means import Mean, geometric_mean
from aggregator.judge.metrics import items_per_second
from aggregator.judge.sides import Side
from method.compare import ALPHA, ENDED_ALPHA, ratio
from method.verdict import FEWEST_BLOCKS
from runners.harness.axes import Axis
from runners.harness.case import AXES, Competitor

CHOICES = tuple(axis for axis in AXES if axis.choice)
"""The axes that are the user's to choose."""
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
        """The peak's competitor without its variant."""
        return program(self.best.side)

    @property
    def variants(self) -> int:
        """The number of variants that were measured."""
        return len({setting.side.competitor.variant for setting in self.tried})

    def is_last(self, axis: Axis) -> bool:
        """Whether the best value of the axis is the largest measured value: a larger value may be faster still."""
        values = {getattr(setting.case.case, axis.name) for setting in self.tried}
        return len(values) > 1 and getattr(self.best.case.case, axis.name) == max(values)


def is_clear(peak: Peak, adaptive: bool) -> bool:
    """Whether the peak's setting is faster than each of the others, with the whole interval of each ratio above 1.

    Like all verdicts this takes three replicates of each setting.
    """
    others = [setting for setting in peak.tried if setting is not peak.best]
    if not others or min(setting.rate.n for setting in peak.tried) < FEWEST_BLOCKS:
        return False
    ratios = [unpaired(peak.best.log_rates, setting.log_rates, adaptive) for setting in others]
    return all(found is not None and found.low > 1 for found in ratios)


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


def program(side: Side) -> Competitor:
    """A side's competitor without its variant: the framework with its loader."""
    return replace(side.competitor, variant="")


def tasks(cases: Iterable[CaseResult]) -> list[list[CaseResult]]:
    """Groups of two or more cases that differ only in what users may choose."""
    return [members for members in alike(cases, (axis.name for axis in CHOICES)) if len(members) > 1]


def peaks(members: Sequence[CaseResult]) -> list[Peak]:
    """The best setting of each framework with its loader in the cases of one task, fastest first."""
    settings: defaultdict[Competitor, list[Setting]] = defaultdict(list)
    for one in _settings(members):
        settings[program(one.side)].append(one)
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
        found = fast.best.case.between(fast.best.side, slow.best.side).paired
        if found is None or found.low is None or found.high is None:
            return None
        return Ratio(ratio(found.log_ratio), ratio(found.low), ratio(found.high), (found.n,))
    return unpaired(fast.best.log_rates, slow.best.log_rates, adaptive)


def same_work(members: Sequence[CaseResult], left: Competitor, right: Competitor) -> bool:
    """Whether two competitors meet in a case of the task, and do the same work in every case in which they meet."""
    met = [
        result.between(sides[left], sides[right])
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
    settings: defaultdict[str, dict[int, Setting]] = defaultdict(dict)
    for one in _settings(members):
        settings[one.side.label][getattr(one.case.case, axis.name)] = one
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


def _settings(members: Iterable[CaseResult]) -> Iterator[Setting]:
    """The sides that have a mean with an interval, and no replicate that did other work than asked."""
    for result in members:
        for side in result.sides:
            invalid = any(record.failed_check for record in side.failures)
            if len(side.ok) >= FEWEST_REPLICATES and not invalid:
                yield Setting(result, side)
