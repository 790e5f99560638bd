"""How often each rule calls one program under two labels different, and each way of stopping: tables for the docs.

    .venv/bin/python -m benchmarks.false_verdicts [experiments]

Takes about three minutes for 2,000 experiments.
"""

import math
import sys
from collections.abc import Callable

import numpy as np
from scipy import stats

from benchmarks.noise import SCENARIOS, A, B, Noise, experiments
from benchmarks.rules import RULES, log_ratios
from method.compare import ADAPTIVE_ALPHA, FIXED_ALPHA, Paired, half_width, paired
from method.stopping import next_case, progress
from method.verdict import FEWEST_BLOCKS
from runners.harness.run import Stopping

SEED = 1
BLOCKS = 10
TRUE = 1.03
RULE = Stopping(most_blocks=30, every=2, half_width=0.02)
LOOKS = range(FEWEST_BLOCKS, RULE.most_blocks + 1, RULE.every)
NORMAL = 100_000
SIZE = 0.065
"""A rule wrong more often than this has no power to speak of."""


def main() -> None:
    """Print all tables."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for noise in SCENARIOS:
        print(f"## {noise.name}: {number} experiments, seed {SEED}\n\n{noise.sentence()}\n")
        rules(noise, number)
        stopping(noise, number)
    levels()


def rules(noise: Noise, number: int) -> None:
    """Which test, in which order."""
    apart = experiments(noise, number, BLOCKS, SEED, interleaved=False)
    mixed = experiments(noise, number, BLOCKS, SEED)
    print(f"| rule, {BLOCKS} processes a side | A's runs, then B's | interleaved | power at a true {TRUE - 1:.0%} |")
    print("| --- | --- | --- | --- |")
    for name, rule in RULES.items():
        wrong = rule(mixed).mean()
        power = f"{rule(slowed(mixed)).mean():.0%}" if wrong <= SIZE else "– (size wrong)"
        print(f"| {name} | {rule(apart).mean():.1%} | {wrong:.1%} | {power} |", flush=True)
    print()


def stopping(noise: Noise, number: int) -> None:
    """When to stop, judged by the t interval on blocks."""
    d = log_ratios(experiments(noise, number, RULE.most_blocks, SEED))
    print("| stopping | false verdicts | interval holds the true ratio | power at a true 3 % | blocks, mean |")
    print("| --- | --- | --- | --- | --- |")
    for name, stop in WAYS.items():
        found = [stop(row) for row in d]
        power = np.mean([significant(stop(row + math.log(TRUE))) for row in d])
        wrong, held = (np.mean([test(one) for one in found]) for test in (significant, covers))
        blocks = np.mean([one.n for one in found])
        print(f"| {name} | {wrong:.1%} | {held:.1%} | {power:.0%} | {blocks:.1f} |", flush=True)
    print()


def fixed(d: np.ndarray) -> Paired:
    """The fewest blocks that have a verdict."""
    return paired(list(d[:FEWEST_BLOCKS]))


def on_width(d: np.ndarray, alpha: float = ADAPTIVE_ALPHA) -> Paired:
    """The project's rule, as the launcher asks it."""
    for blocks in LOOKS:
        logs = {A: dict.fromkeys(range(blocks), 0.0), B: dict(enumerate(d[:blocks]))}
        if next_case([progress(blocks, logs, alpha)], RULE) is None:
            break
    return paired(list(d[:blocks]), alpha)


def on_width_at_5(d: np.ndarray) -> Paired:
    """The same at the level of a fixed number of blocks."""
    return on_width(d, FIXED_ALPHA)


def on_significance(d: np.ndarray) -> Paired:
    """Stop once the 95 % interval leaves 1."""
    looks = (paired(list(d[:blocks])) for blocks in LOOKS)
    return next(found for found in looks if significant(found) or found.n == RULE.most_blocks)


WAYS: dict[str, Callable[[np.ndarray], Paired]] = {
    "fixed at 8 blocks, α 0.05": fixed,
    "**on width, 8 to 30, α 0.035**": on_width,
    "on width, 8 to 30, α 0.05": on_width_at_5,
    "on significance, 8 to 30, α 0.05": on_significance,
}


def levels() -> None:
    """What stopping on width does to the level, by the scatter of normal d, and to one report of many comparisons."""
    print(f"## Stopping on width: normal d, {NORMAL} experiments a row, seed {SEED}\n")
    print("| scatter of d | blocks, mean | 95 % interval holds | 96.5 % interval holds | p < 0.035/40, of 0.05/40 |")
    print("| --- | --- | --- | --- | --- |")
    for sd in (0.01, 0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05, 0.06, 0.1):
        draw = np.random.default_rng(SEED).normal(0, sd, (NORMAL, RULE.most_blocks))
        (_, plain), (blocks, p) = (stopped(draw, alpha) for alpha in (FIXED_ALPHA, ADAPTIVE_ALPHA))
        strict = np.mean(p < ADAPTIVE_ALPHA / 40) / (FIXED_ALPHA / 40)
        held = f"{np.mean(plain >= FIXED_ALPHA):.1%} | {np.mean(p >= ADAPTIVE_ALPHA):.1%}"
        print(f"| {sd:.1%} | {np.mean(blocks):.1f} | {held} | {strict:.2f} |", flush=True)


def stopped(d: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Blocks and p when the interval at this level is first narrow enough: the rule for many experiments at once."""
    blocks, p = np.full(len(d), 0), np.ones(len(d))
    for n in LOOKS:
        running = blocks == 0
        seen = d[running, :n]
        narrow = half_width(n, 1.0, alpha) * seen.std(axis=1, ddof=1) <= math.log1p(RULE.half_width)
        done = np.flatnonzero(running)[narrow | (n == RULE.most_blocks)]
        blocks[done], p[done] = n, stats.ttest_1samp(d[done, :n], 0, axis=1).pvalue
    return blocks, p


def slowed(times: np.ndarray) -> np.ndarray:
    """The same with B slower by TRUE."""
    return times * np.array([1, TRUE])[:, None, None]


def significant(found: Paired) -> bool:
    """A winner, but for the smallest difference that matters."""
    return found.p is not None and found.p < found.alpha


def covers(found: Paired) -> bool:
    """The interval holds the true ratio 1."""
    return found.low is not None and found.high is not None and found.low <= 0 <= found.high


if __name__ == "__main__":
    main()
