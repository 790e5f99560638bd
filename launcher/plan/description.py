"""Says in words what a run will do and how long that takes."""

from collections.abc import Sequence

from launcher.plan.estimate import Durations, assumed, expected_bounds, longest, replicates
from launcher.text import between, duration
from runners.harness.run import PlannedCase, Stopping


def describe(
    cases: Sequence[PlannedCase], left_out: Sequence[str], seed: int, durations: Durations, pilots: int
) -> list[str]:
    """The plan as lines of text."""
    lines = []
    for case in cases:
        lines.append(f"{case.case.label}   {counted(case.blocks, 'block')}, at most {case.timeout:g} s a replicate")
        lines += [f"    {one.label}" for one in case.competitors]
        lines += [f"    {one.competitor.label}   - {one.kind}: {one.reason}" for one in case.unavailable]
    lines += ["", "offered, but not in this plan:", *(f"    {text}" for text in left_out)] if left_out else []
    before = f" after {pilots} pilots of each program and step case" if pilots else ""
    return [*lines, "", f"{extent(cases)}{before}, order seed {seed}", estimate(cases, durations, pilots)]


def extent(cases: Sequence[PlannedCase]) -> str:
    """`5 cases, 112 replicates`."""
    return f"{counted(len(cases), 'case')}, {counted(replicates(cases), 'replicate')}"


def counted(number: int, noun: str) -> str:
    """`1 block`, `5 blocks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def describe_stopping(
    rule: Stopping | None,
    budget: float | None,
    cuts_planned: bool,
    cases: Sequence[PlannedCase],
    durations: Durations,
    pilots: int,
) -> str:
    """When the run ends, in a sentence."""
    bound = f"measuring ends after about {duration(budget)}" if budget else "no time budget"
    if rule is None:
        return f"a fixed number of blocks; {bound}"
    if not budget:
        most = duration(longest(cases, durations, pilots, rule))
        bound = f"no time budget, so that measuring may take up to {most} in all"
    elif not cuts_planned:
        bound = f"none of these blocks is begun that would end after {duration(budget)} of measuring"
    block = "a block at a time" if rule.every == 1 else f"{rule.every} blocks at a time"
    return (
        f"then {block} where the next winner is expected soonest, until every comparison has a winner, is within "
        f"±{100 * rule.half_width:g} % or has {rule.most_blocks} blocks; {bound}"
    )


def estimate(cases: Sequence[PlannedCase], durations: Durations, pilots: int) -> str:
    """How long the pilots and the planned replicates take, and what this estimate rests on."""
    pairs = [(planned.case, one) for planned in cases for one in planned.competitors]
    if not pairs:
        return "nothing to measure"
    measured = sum(durations.knows(case, one) for case, one in pairs)
    basis = [f"times of earlier runs for {measured} of {len(pairs)} competitors and cases"] if measured else []
    basis += dict.fromkeys(assumed(case) for case, one in pairs if not durations.knows(case, one))
    time = between(*expected_bounds(cases, durations, pilots))
    return f"about {time} of measuring, from {', '.join(basis)}; preparing data and frameworks comes on top"


def shortfall(expected: float, budget: float | None) -> list[str]:
    """A warning where the planned blocks alone are expected to take longer than the time budget."""
    if budget is None or expected <= budget:
        return []
    return [
        f"a time budget of {duration(budget)} is less than the {duration(expected)} that the planned blocks are "
        "expected to take: some cases may end without a verdict"
    ]
