"""The paragraphs of a report that do not depend on its records, with the constants they quote."""

from aggregator.health import PROCESS_SPREAD
from aggregator.quantities import percent
from method.statistic import STEADY_SPREAD, STEADY_STEPS
from method.verdict import ALPHA, FEWEST_BLOCKS, MOST_UNSTEADY, SMALLEST_DIFFERENCE

DELTA = percent(SMALLEST_DIFFERENCE)
METHOD = (
    "Each replicate is a fresh process that measures one case once. Competitors run back to back in blocks, in an "
    "order drawn from the seed in the records. The process, not the step, is the unit: a replicate gives one number, "
    "the median step after warm-up for training and inference steps, the elapsed time per batch for loaders, the "
    "whole training stage for end-to-end training.",
    "A comparison takes the logarithm of the ratio in every block that both sides finished. The ratio is the "
    "exponential of their mean, the interval a 95 % t interval over blocks, checked with a sign-flip permutation "
    "test. The t tests' p-values are adjusted together by Holm's method, over all comparisons of this report that come "
    f"to a test; α = {ALPHA}, and the smallest difference that matters is {DELTA}. Intervals, and equivalence with "
    "them, are of one comparison each and not adjusted; nor is the choice of the two fastest of three or more sides, "
    "which is made on the blocks that then test them.",
    f"A winner is named from {FEWEST_BLOCKS} blocks on, where the adjusted p-value is below α and the difference is "
    f"at least {DELTA}. Equivalent means that the whole interval lies within {DELTA}. Nothing is named where the "
    "checks of equal work disagree, where a gate on the machine's state failed, or where more than "
    f"{percent(MOST_UNSTEADY)} of a side's replicates were not steady (quarters after warm-up further apart than "
    f"{percent(STEADY_SPREAD)}; of loaders, halves further apart than that and a full queue explain). No sample is "
    "dropped for its size.",
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
