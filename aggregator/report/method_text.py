"""The paragraphs of a report that do not depend on its records, with the constants they quote."""

from aggregator.base.quantities import count, percent
from method.anytime import SPREADS
from method.compare import ALPHA, ANYTIME_ALPHA, ENDED_ALPHA
from method.verdict import FEWEST_BLOCKS, MOST_DISTURBED, SMALLEST_DIFFERENCE
from runners.harness.run import RUN_NAME, Run

DELTA = percent(SMALLEST_DIFFERENCE)
METHOD = (
    "Each replicate is a fresh process that measures one case once. Competitors run back to back in blocks, in an "
    "order drawn from the seed in the records. The process, not the step, is the unit: a replicate gives one number, "
    "the median step after warm-up for training and inference steps, the elapsed time per batch for loaders, the "
    "whole training stage for end-to-end training.",
    "A comparison takes the logarithm of the ratio in every block that both sides finished. The ratio is the "
    "exponential of their mean; the interval holds the true ratio in 95 of 100 comparisons. Where the number of blocks "
    "was fixed beforehand, interval and test are those of the t distribution. Where blocks were added until an answer "
    "was there, they may be looked at after every block: the test is an e-process (a mixture of anytime-valid t tests, "
    f"g = {', '.join(f'{g:g}' for g in SPREADS)}), the interval its confidence sequence. The p-values are adjusted "
    "together by Holm's method, over all comparisons of this report that come to a test; the smallest difference that "
    f"matters is {DELTA}. Intervals, and equivalence with them, are of one comparison each and not adjusted; "
    "nor is the choice of the two fastest of three or more sides, which is made on the blocks that then test them.",
    f"A winner is named from {FEWEST_BLOCKS} blocks on, where the adjusted p-value is below {percent(ALPHA)}, the "
    f"interval leaves out 1 and the difference is at least {DELTA}. Equivalent means that the whole interval lies "
    f"within {DELTA}. Times that wander at random widen the interval by themselves. Where one side drifts more than "
    "the other, on average over the blocks and beyond chance, the interval is widened by as much. No winner is "
    f"named where the checks of equal work disagree, or where in more than {percent(MOST_DISTURBED)} of a side's "
    "replicates the machine was another one: throttled by a quota, a GPU slowed down by heat, a GPU shared with "
    "another process. No sample is dropped for its size.",
    "All of this can be checked from the records: `python docs/recompute.py RUN` rebuilds every ratio, interval and "
    "verdict (taking equal work as given) without this project's code, `python -m aggregator audit RUN` proves the "
    "order and the rules it followed.",
)
LIMITS = (
    "Results hold for the machines, versions and settings listed, and for nothing else.",
    "Runs, machines and differing sets of versions are reported apart; no ratio is formed across them.",
    "Scatter between processes and the counters of the machine are told with each case; they are no correction to a "
    "verdict. Waiting for a CPU and involuntary context switches need no neighbour: a framework that starts more "
    "threads than it has CPUs causes both itself.",
    "Peak memory adds up the peaks of all processes, shared pages included: an upper bound.",
)

ANSWERS_SINCE = 3
"""The first version of run.json whose runs stop on their answers."""
OLD_PEAKS = "Records of schema version 2 and before count what set-up took, such as generated weights, in peak memory."


def stopping(name: str, plan: Run | None) -> str:
    """How this run came to its warm-up and its number of blocks, and at which level it is judged."""
    if plan is None:
        return (
            f"Run {name}: without {RUN_NAME} it is not known what ended it, so only the test that may be looked at "
            "after every block is used."
        )
    said = [f"Run {name}:"]
    if any(case.warmups for case in plan.cases):
        said.append(
            "before the first block, pilots fixed the warm-up of each side (MSER-5, the longest of its pilots and half "
            "as much again) and the steps that it keeps at the least; each case below tells them."
        )
    rule = plan.stopping
    if rule is None:
        said.append(f"The number of blocks was fixed beforehand; α = {ALPHA}.")
    elif plan.run_version < ANSWERS_SINCE:
        said.append("It was made when runs still stopped on the width of intervals alone, and is judged as above.")
    else:
        said.append(
            f"After the first {count(min(case.blocks for case in plan.cases), 'block')}, {rule.every} more at a time "
            "went to the case whose winner was expected soonest. A comparison was done with a winner, with half "
            f"its interval within ±{percent(rule.half_width, 1)}, or after {rule.most_blocks} blocks. The level is "
            f"shared: α = {ANYTIME_ALPHA} for the test after every block, {ENDED_ALPHA} for the t test of a comparison "
            "that was done with its width or its number of blocks."
        )
    if plan.continued:
        said.append(
            f"The run was continued {count(len(plan.continued), 'time')} for its open comparisons; cases that got "
            "blocks since then are judged by the test after every block alone."
        )
    if plan.budget_seconds is not None:
        within = f"within {budget_time(plan.budget_seconds)}"
        planned = f"Further blocks were to end {within} of measuring."
        said.append(f"Measuring was to end {within}." if plan.budget_cuts_planned else planned)
    return " ".join(said)


def budget_time(seconds: float) -> str:
    """`90 s`, `45 min`."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
