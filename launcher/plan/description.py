"""What a run is going to do and how long that will take, in words."""

from collections.abc import Sequence

from launcher.plan.cases import Planned, pilot_competitors
from launcher.plan.estimate import Durations
from launcher.text import duration
from method.statistic import STEP_WORKLOADS
from runners.harness.run import Stopping


def describe(cases: Sequence[Planned], seed: int, durations: Durations, pilots: int) -> list[str]:
    """The plan as lines of text."""
    lines = []
    for planned in cases:
        case = planned.planned
        lines.append(f"{case.case.label}   {case.blocks} blocks, at most {planned.timeout:g} s a replicate")
        lines += [f"    {one.label}" for one in case.competitors]
        lines += [f"    {one.competitor.label}   - {one.kind}: {one.reason}" for one in case.unavailable]
    before = f" after {pilots} pilots of each program and step case" if pilots else ""
    return [*lines, "", f"{extent(cases)}{before}, order seed {seed}", estimate(cases, durations, pilots)]


def extent(cases: Sequence[Planned]) -> str:
    """`5 cases, 112 replicates`."""
    return ", ".join(
        f"{number} {noun}{'' if number == 1 else 's'}"
        for number, noun in ((len(cases), "case"), (replicates(cases), "replicate"))
    )


def describe_stopping(rule: Stopping | None, budget: float | None, cuts_planned: bool) -> str:
    """In a sentence, when the run ends."""
    bound = f"measuring ends after about {duration(budget)}" if budget else "no time budget"
    if rule is None:
        return f"a fixed number of blocks; {bound}"
    if budget and not cuts_planned:
        bound = f"none of these is begun that would end after {duration(budget)} of measuring"
    block = "a block at a time" if rule.every == 1 else f"{rule.every} blocks at a time"
    return (
        f"then {block} where the next winner is expected soonest, until every comparison has a winner, is within "
        f"±{100 * rule.half_width:g} % or has {rule.most_blocks} blocks; {bound}"
    )


def estimate(cases: Sequence[Planned], durations: Durations, pilots: int) -> str:
    """How long the pilots and the planned replicates will take, and from what that is known."""
    pairs = [(planned.planned.case, one) for planned in cases for one in planned.planned.competitors]
    measured = sum(durations.knows(case, one) for case, one in pairs)
    basis = "rough constants for each workload"
    if measured:
        basis = f"medians of earlier runs for {measured} of {len(pairs)} competitors and cases"
    time = duration(expected_seconds(cases, durations, pilots))
    return f"about {time} of measuring, from {basis}; preparing data and frameworks comes on top"


def expected_seconds(cases: Sequence[Planned], durations: Durations, pilots: int) -> float:
    """Of all pilots and planned replicates; blocks that an adaptive run may add are not among them."""
    total = 0.0
    for case in (planned.planned for planned in cases):
        total += case.blocks * sum(durations.seconds(case.case, one) for one in case.competitors)
        if case.case.workload in STEP_WORKLOADS:
            total += pilots * sum(durations.seconds(case.case, one) for one in pilot_competitors(case.competitors))
    return total


def shortfall(expected: float, budget: float | None) -> list[str]:
    """A warning where the time budget will hardly hold what is planned at the least."""
    if budget is None or expected <= budget:
        return []
    return [
        f"a time budget of {duration(budget)} is less than the {duration(expected)} that the planned blocks are "
        "expected to take: some cases may end without a verdict"
    ]


def replicates(cases: Sequence[Planned], pilots: int = 0, most_blocks: int = 0) -> int:
    """How many processes the plan starts, were every case to have at least `most_blocks`, its pilots included."""
    return sum(
        len(planned.planned.competitors) * (max(planned.planned.blocks, most_blocks) + pilots) for planned in cases
    )
