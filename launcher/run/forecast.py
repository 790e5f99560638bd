"""How long a run will still take, between two bounds."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from launcher.plan.estimate import NOTHING, Bounds, Durations, block_bounds, times, total
from launcher.run.budget import Budget
from method.schedule import Replicate
from runners.harness.run import PlannedCase, Run


def of(replicates: Iterable[Replicate], cases: Sequence[PlannedCase], durations: Durations) -> Bounds:
    """The time of these replicates."""
    due = Counter((one.case, one.competitor) for one in replicates)
    return total(times(number, durations.bounds(cases[case], competitor)) for (case, competitor), number in due.items())


def of_further(run: Run, open_cases: Collection[int], durations: Durations) -> Bounds:
    """The time of the blocks that an adaptive run may add to these cases: none, or as many as its rule allows."""
    if run.stopping is None:
        return NOTHING
    blocks = {index: max(0, run.stopping.most_blocks - run.blocks(index)) for index in open_cases}
    return 0.0, sum(number * block_bounds(run.cases[index], durations)[1] for index, number in blocks.items())


def within(budget: Budget, due: Bounds, more: Bounds) -> Bounds:
    """The time of both together, where the budget bounds only `more` unless it cuts planned blocks too."""
    low, high = total([due, more])
    if budget.left is None:
        return low, high
    least, most = NOTHING if budget.cuts_planned else due
    return max(least, min(low, budget.left)), max(most, min(high, budget.left))
