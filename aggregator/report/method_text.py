"""The paragraphs of a report on method and limits, with the constants that they quote."""

from aggregator.base.quantities import count, percent
from method.anytime import SPREADS
from method.compare import ALPHA, ANYTIME_ALPHA, ENDED_ALPHA
from method.verdict import FEWEST_BLOCKS, MOST_DISTURBED, SMALLEST_DIFFERENCE
from runners.harness.run import RUN_NAME, Run

DELTA = percent(SMALLEST_DIFFERENCE)
METHOD = (
    "Each replicate is a fresh process that measures one case once. The competitors of a case run back to back in "
    "blocks; the order within a block is drawn from the seed in the records. The unit of the statistics is the "
    "process, not the step. A replicate gives one number: the median step after warm-up for training and inference "
    "steps, the elapsed time per batch for data loading, and the time of the whole training for end-to-end training.",
    "A comparison takes the logarithm of the ratio in every block that both sides finished. The reported ratio is the "
    "exponential of the mean of these logarithms; the 95 % interval contains the true ratio in 95 of 100 comparisons. "
    "If the number of blocks was fixed beforehand, the interval and the test are those of the t distribution. If "
    "blocks were added until there was an answer, the test has to stay valid although it is repeated after every "
    f"block: it is an e-process (a mixture of anytime-valid t tests, g = {', '.join(f'{g:g}' for g in SPREADS)}), and "
    "the interval is its confidence sequence. Holm's method adjusts the p-values of all comparisons of this report "
    f"that come to a test. The smallest difference that matters is {DELTA}. Intervals are not adjusted, and neither "
    "is equivalence, which rests on them. Of three or more sides, the two fastest are chosen by the same blocks that "
    "then test them; no adjustment is made for this choice.",
    f"A winner is named if there are {FEWEST_BLOCKS} blocks or more, the adjusted p-value is below {percent(ALPHA)}, "
    f"the interval excludes 1, and the difference is at least {DELTA}. Equivalent means that the whole interval is "
    f"within {DELTA}. Random variation over time widens the interval by itself. If one side drifts against the other "
    "during its steps, beyond chance and on average over the blocks, the interval is extended by that drift. No "
    f"winner is named if the checks of equal work fail, or if more than {percent(MOST_DISTURBED)} of the replicates "
    "of a side ran in other conditions: throttled by a CPU quota, on a GPU slowed down by heat, or on a GPU shared "
    "with another process. No sample is dropped because of its value.",
    "The records prove all of this: `python docs/recompute.py RUN` computes every ratio, interval and verdict again "
    "without this project's code (it takes equal work as given), and `python -m aggregator audit RUN` checks the order "
    "of the run and the rules that it followed.",
)
LIMITS = (
    "The results hold for the machines, versions and settings listed here, and for no others.",
    "Runs, machines and sets of versions that differ are reported separately. No ratio is formed across them.",
    "The scatter between processes and the counters of the machine are reported with each case. They do not correct a "
    "verdict. Waiting for a CPU and involuntary context switches can occur on a quiet machine: a framework that starts "
    "more threads than it has CPUs causes both.",
    "Peak memory is the sum of the peaks of all processes, including shared pages: it is an upper bound.",
)

ANSWERS_SINCE = 3
"""The first version of run.json in which a run stops when its comparisons have answers."""
OLD_PEAKS = (
    "In records of schema version 2 and before, peak memory includes the memory of set-up, such as generated weights."
)


def stopping(name: str, plan: Run | None) -> str:
    """How the warm-up and the number of blocks of this run were determined, and at which level the run is judged."""
    if plan is None:
        return (
            f"Run {name}: {RUN_NAME} is missing, so it is unknown what ended the run. All comparisons use the test "
            "that is valid after every block."
        )
    said = [f"Run {name}:"]
    if any(case.warmups for case in plan.cases):
        said.append(
            "before the first block, pilots fixed the warm-up of each side (by MSER-5: one and a half times the "
            "longest warm-up of its pilots) and the smallest number of steps to keep; both are listed with each case "
            "below."
        )
    rule = plan.stopping
    if rule is None:
        said.append(f"The number of blocks was fixed beforehand; α = {ALPHA}.")
    elif plan.run_version < ANSWERS_SINCE:
        said.append("Its blocks were added until the intervals were narrow enough; it is judged as described above.")
    else:
        said.append(
            f"After the first {count(min(case.blocks for case in plan.cases), 'block')}, blocks were added "
            f"{rule.every} at a time to the case whose winner was expected soonest. A comparison ended with a winner, "
            f"when half of its interval was within ±{percent(rule.half_width, 1)}, or after {rule.most_blocks} blocks. "
            f"The level is shared: α = {ANYTIME_ALPHA} for the test after every block, {ENDED_ALPHA} for the t test of "
            "a comparison that ended by its width or its number of blocks."
        )
    if plan.continued:
        said.append(
            f"The run was continued {count(len(plan.continued), 'time')} for its open comparisons. Cases that got "
            "blocks since then are judged only by the test after every block."
        )
    if plan.budget_seconds is not None:
        within = f"within {budget_time(plan.budget_seconds)}"
        planned = f"Further blocks were to end {within} of measuring."
        said.append(f"Measuring was to end {within}." if plan.budget_cuts_planned else planned)
    return " ".join(said)


def budget_time(seconds: float) -> str:
    """`90 s`, `45 min`."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
