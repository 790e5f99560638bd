"""How often each test and each stopping rule calls one program under two labels different: the tables of the docs.

    .venv/bin/python -m benchmarks.false_verdicts [experiments]

2,000 experiments take about six minutes.
"""

import math
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.noise import SCENARIOS, A, B, Noise, experiments
from benchmarks.rules import RULES, log_ratios
from method.compare import ALPHA, Design, Paired, half_width, paired
from method.statistic import Summary
from method.stopping import next_cases, standing
from method.verdict import DELTA, FEWEST_BLOCKS, is_named
from runners.harness.run import Stopping

SEED = 1
BLOCKS = 10
TRUE = 1.03
RULE = Stopping(most_blocks=30, every=1, half_width=0.02)
LOOKS = range(FEWEST_BLOCKS, RULE.most_blocks + 1, RULE.every)
EARLIER_LOOKS, EARLIER_ALPHA = range(8, 31, 2), 0.035
"""The stopping rule of this project's first version: on width alone, with a look every two blocks from eight on."""
SIZE = 0.065
"""The power of a rule is printed only if its rate of false verdicts is not higher than this."""
POWER = [(1.0, 0.05), (1.0, 0.13), (1.05, 0.05), (1.10, 0.05), (1.10, 0.13), (1.30, 0.10), (1.60, 0.13), (6.70, 0.15)]
"""Pairs of a true ratio and the scatter of a block."""


def main() -> None:
    """Print all tables."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for noise in SCENARIOS:
        print(f"## {noise.name}: {number} experiments, seed {SEED}\n\n{noise.sentence()}\n")
        rules(noise, number)
        stopping(noise, number)
    power(number)


def rules(noise: Noise, number: int) -> None:
    """Print the table of tests and orders."""
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
    """Print the table of stopping rules."""
    d = log_ratios(experiments(noise, number, RULE.most_blocks, SEED))
    print("| stopping | false verdicts | interval holds the true ratio | power at a true 3 % | blocks, mean |")
    print("| --- | --- | --- | --- | --- |")
    for name, stop in WAYS.items():
        found = [stop(row, 1) for row in d]
        named_so = np.mean([significant(stop(row + math.log(TRUE), 1)) for row in d])
        wrong, held = (np.mean([test(result) for result in found]) for test in (significant, covers))
        blocks = np.mean([result.n for result in found])
        print(f"| {name} | {wrong:.1%} | {held:.1%} | {named_so:.0%} | {blocks:.1f} |", flush=True)
    print()


def power(number: int) -> None:
    """Print how often a difference is named and after how many blocks, for 1 and for 11 comparisons."""
    print(f"## normal d, {number} experiments a cell, seed {SEED}: named, blocks on average\n")
    ways = [(name, way, asked) for name, way in WAYS.items() if way in (on_width, anytime) for asked in (1, 11)]
    print("| true ratio, scatter of a block | " + " | ".join(f"{name}, of {asked}" for name, _, asked in ways) + " |")
    print("| --- |" + " --- |" * len(ways))
    for true, scatter in POWER:
        draw = math.log(true) + np.random.default_rng(SEED).normal(0, scatter, (number, RULE.most_blocks))
        cells = []
        for _, way, asked in ways:
            found = [way(row, asked) for row in draw]
            share = np.mean([is_named(result, min(1.0, (result.p or 1.0) * asked)) for result in found])
            cells.append(f"{share:.1%}, {np.mean([result.n for result in found]):.1f}")
        print(f"| {true:.2f}, {scatter:.0%} | " + " | ".join(cells) + " |", flush=True)


def fixed(d: np.ndarray, _asked: int) -> Paired:
    """Always ten blocks."""
    return paired(list(d[:BLOCKS]))


def anytime(d: np.ndarray, asked: int) -> Paired:
    """The project's rule, as the launcher applies it: a look after every block."""
    for blocks in LOOKS:
        replicates = {
            A: {block: Summary(1.0, None, None, 1.0) for block in range(blocks)},
            B: {block: Summary(math.exp(value), None, None, 1.0) for block, value in enumerate(d[:blocks])},
        }
        if next_cases([standing(blocks, [A, B], replicates, RULE, asked)], RULE) == []:
            break
    return paired(list(d[:blocks]), Design(False, RULE))


def on_width(d: np.ndarray, _asked: int) -> Paired:
    """The stopping rule of the first version."""
    for blocks in EARLIER_LOOKS:
        if half_width(blocks, float(np.std(d[:blocks], ddof=1)), EARLIER_ALPHA) <= DELTA:
            break
    found = paired(list(d[:blocks]))
    half = half_width(blocks, found.sd or 0.0, EARLIER_ALPHA)
    p = min(1.0, (found.p_t or 1.0) * ALPHA / EARLIER_ALPHA)
    return Paired(
        blocks,
        found.log_ratio,
        found.log_ratio - half,
        found.log_ratio + half,
        found.sd,
        p,
        found.p_t,
        found.differences,
    )


def on_significance(d: np.ndarray, _asked: int) -> Paired:
    """Stop as soon as the 95 % t interval excludes 1."""
    looks = (paired(list(d[:blocks])) for blocks in LOOKS)
    return next(found for found in looks if significant(found) or found.n == RULE.most_blocks)


WAYS: dict[str, Callable[[np.ndarray, int], Paired]] = {
    "fixed at 10 blocks": fixed,
    "on width alone, 8 to 30 by 2": on_width,
    "t test after every block, 3 to 30": on_significance,
    "**anytime-valid, after every block, 3 to 30**": anytime,
}


def slowed(times: np.ndarray) -> np.ndarray:
    """The times with B slower by the factor TRUE."""
    return times * np.array([1, TRUE])[:, None, None]


def significant(found: Paired) -> bool:
    """Whether a winner would be named if every difference mattered."""
    return found.p is not None and found.p < ALPHA


def covers(found: Paired) -> bool:
    """Whether the interval holds the true ratio 1."""
    return found.low is not None and found.high is not None and found.low <= 0 <= found.high


if __name__ == "__main__":
    main()
