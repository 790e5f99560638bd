"""The paragraphs of a report that do not depend on its records, with the constants they quote."""

from aggregator.comparison.health import PROCESS_SPREAD
from aggregator.text.quantities import percent
from method.compare import ADAPTIVE_ALPHA, FIXED_ALPHA
from method.statistic import STEADY_SPREAD, STEADY_STEPS
from method.verdict import FEWEST_BLOCKS, MOST_UNSTEADY, SMALLEST_DIFFERENCE
from runners.harness.run import RUN_NAME, Run

DELTA = percent(SMALLEST_DIFFERENCE)
METHOD = (
    "Each replicate is a fresh process that measures one case once. Competitors run back to back in blocks, in an "
    "order drawn from the seed in the records. The process, not the step, is the unit: a replicate gives one number, "
    "the median step after warm-up for training and inference steps, the elapsed time per batch for loaders, the "
    "whole training stage for end-to-end training.",
    "A comparison takes the logarithm of the ratio in every block that both sides finished. The ratio is the "
    "exponential of their mean, the interval a 95 % t interval over blocks, checked with a sign-flip permutation "
    "test. The t tests' p-values are adjusted together by Holm's method, over all comparisons of this report that come "
    f"to a test, those of adaptive runs first multiplied by {FIXED_ALPHA}/{ADAPTIVE_ALPHA}; the smallest difference "
    f"that matters is {DELTA}. Intervals, and equivalence with "
    "them, are of one comparison each and not adjusted; nor is the choice of the two fastest of three or more sides, "
    "which is made on the blocks that then test them.",
    f"A winner is named from {FEWEST_BLOCKS} blocks on, where the adjusted p-value is below 5 % and the difference is "
    f"at least {DELTA}. Equivalent means that the whole interval lies within {DELTA}. Nothing is named where the "
    "checks of equal work disagree, where a gate on the machine's state failed, or where more than "
    f"{percent(MOST_UNSTEADY)} of a side's replicates were not steady (quarters after warm-up further apart than "
    f"{percent(STEADY_SPREAD)}; of loaders, halves further apart than that and a full queue explain). No sample is "
    "dropped for its size.",
    "All of this can be checked from the records: `python docs/recompute.py RUN` rebuilds every ratio, interval and "
    "verdict (taking equal work as given) without this project's code, `python -m aggregator audit RUN` proves the "
    "order and the rules it followed.",
)
LIMITS = (
    "Results hold for the machines, versions and settings listed, and for nothing else.",
    "Runs, machines and differing sets of versions are reported apart; no ratio is formed across them.",
    f"With fewer than {STEADY_STEPS} steps kept, or where a burst of a loader may be why its halves differ, steadiness "
    "cannot be verified: the line says warm-up unverified.",
    f"Scatter between processes (coefficient of variation) above {percent(PROCESS_SPREAD)} and the counters of the "
    "machine are warnings beside a verdict, not corrections to it. Waiting for a CPU and involuntary context switches "
    "need no neighbour: a framework that starts more threads than it has CPUs causes both itself.",
    "Peak memory adds up the peaks of all processes, shared pages included: an upper bound.",
)

OLD_PEAKS = "Records of schema version 2 and before count what set-up took, such as generated weights, in peak memory."


def stopping(name: str, plan: Run | None) -> str:
    """How this run came to its warm-up and its number of blocks, and at which level it is judged."""
    if plan is None:
        return (
            f"Run {name}: without {RUN_NAME} it is not known what ended it, so it is held to the level of a run that "
            f"decides as it goes, α = {ADAPTIVE_ALPHA}."
        )
    said = [f"Run {name}:"]
    if any(case.warmup for case in plan.cases):
        said.append(
            "pilots fixed the warm-up (MSER-5, the longest of them and half as much again) and the least number of "
            "steps before the first block; each case below tells them."
        )
    rule = plan.stopping
    if rule is None:
        said.append(f"The number of blocks was fixed beforehand; α = {FIXED_ALPHA}.")
    else:
        said.append(
            f"After the fixed blocks, {rule.every} more at a time went to the case whose interval was furthest from "
            f"±{percent(rule.half_width, 1)}, up to {rule.most_blocks} a case. Widths decided, never where an "
            f"interval lay. α = {ADAPTIVE_ALPHA}, and intervals are t intervals at {percent(1 - ADAPTIVE_ALPHA, 1)}: "
            "stopped like this, simulated ones hold the true ratio in 95 %."
        )
    if plan.budget_seconds is not None:
        within = f"within {budget_time(plan.budget_seconds)}"
        planned = f"Further blocks were to end {within} of measuring."
        said.append(f"Measuring was to end {within}." if plan.budget_cuts_planned else planned)
    return " ".join(said)


def budget_time(seconds: float) -> str:
    """`90 s`, `45 min`."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
