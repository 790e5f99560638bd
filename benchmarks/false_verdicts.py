"""How often each rule calls one program under two labels different, and each way of stopping: tables for the docs.

    .venv/bin/python -m benchmarks.false_verdicts [experiments]

Takes about six minutes for 2,000 experiments.
"""

import math
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.noise import SCENARIOS, A, B, Noise, experiments
from benchmarks.rules import RULES, log_ratios
from method.compare import ALPHA, Design, Paired, half_width, paired
from method.statistic import Summary
from method.stopping import next_case, standing
from method.verdict import DELTA, FEWEST_BLOCKS, is_named
from runners.harness.run import Stopping

SEED = 1
BLOCKS = 10
TRUE = 1.03
RULE = Stopping(most_blocks=30, every=1, half_width=0.02)
LOOKS = range(FEWEST_BLOCKS, RULE.most_blocks + 1, RULE.every)
EARLIER_LOOKS, EARLIER_ALPHA = range(8, 31, 2), 0.035
"""How the first version of this project stopped: on width alone, looked at every two blocks from eight on."""
SIZE = 0.065
"""A rule wrong more often than this has no power to speak of."""
POWER = [(1.0, 0.05), (1.0, 0.13), (1.05, 0.05), (1.10, 0.05), (1.10, 0.13), (1.30, 0.10), (1.60, 0.13), (6.70, 0.15)]
"""True ratios, and scatter of a block."""


def main() -> None:
    """Print all tables."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for noise in SCENARIOS:
        print(f"## {noise.name}: {number} experiments, seed {SEED}\n\n{noise.sentence()}\n")
        rules(noise, number)
        stopping(noise, number)
    power(number)


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
    """When to stop, judged on blocks."""
    d = log_ratios(experiments(noise, number, RULE.most_blocks, SEED))
    print("| stopping | false verdicts | interval holds the true ratio | power at a true 3 % | blocks, mean |")
    print("| --- | --- | --- | --- | --- |")
    for name, stop in WAYS.items():
        found = [stop(row, 1) for row in d]
        named_so = np.mean([significant(stop(row + math.log(TRUE), 1)) for row in d])
        wrong, held = (np.mean([test(one) for one in found]) for test in (significant, covers))
        blocks = np.mean([one.n for one in found])
        print(f"| {name} | {wrong:.1%} | {held:.1%} | {named_so:.0%} | {blocks:.1f} |", flush=True)
    print()


def power(number: int) -> None:
    """How often a difference is named and after how many blocks, alone and as one of eleven comparisons."""
    print(f"## normal d, {number} experiments a cell, seed {SEED}: named, blocks on average\n")
    ways = [(name, way, asked) for name, way in WAYS.items() if way in (on_width, anytime) for asked in (1, 11)]
    print("| true ratio, scatter of a block | " + " | ".join(f"{name}, of {asked}" for name, _, asked in ways) + " |")
    print("| --- |" + " --- |" * len(ways))
    for true, scatter in POWER:
        draw = math.log(true) + np.random.default_rng(SEED).normal(0, scatter, (number, RULE.most_blocks))
        cells = []
        for _, way, asked in ways:
            found = [way(row, asked) for row in draw]
            share = np.mean([is_named(one, min(1.0, (one.p or 1.0) * asked)) for one in found])
            cells.append(f"{share:.1%}, {np.mean([one.n for one in found]):.1f}")
        print(f"| {true:.2f}, {scatter:.0%} | " + " | ".join(cells) + " |", flush=True)


def fixed(d: np.ndarray, _asked: int) -> Paired:
    """Ten blocks, whatever they show."""
    return paired(list(d[:BLOCKS]))


def anytime(d: np.ndarray, asked: int) -> Paired:
    """The project's rule, as the launcher asks it: a look after every block."""
    for blocks in LOOKS:
        replicates = {
            A: {block: Summary(1.0, None, None, 1.0) for block in range(blocks)},
            B: {block: Summary(math.exp(value), None, None, 1.0) for block, value in enumerate(d[:blocks])},
        }
        if next_case([standing(blocks, [A, B], replicates, RULE, asked)], RULE) is None:
            break
    return paired(list(d[:blocks]), Design(False, RULE))


def on_width(d: np.ndarray, _asked: int) -> Paired:
    """The first version's rule."""
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
    """Stop once the 95 % t interval leaves 1."""
    looks = (paired(list(d[:blocks])) for blocks in LOOKS)
    return next(found for found in looks if significant(found) or found.n == RULE.most_blocks)


WAYS: dict[str, Callable[[np.ndarray, int], Paired]] = {
    "fixed at 10 blocks": fixed,
    "on width alone, 8 to 30 by 2": on_width,
    "t test after every block, 3 to 30": on_significance,
    "**anytime-valid, after every block, 3 to 30**": anytime,
}


def slowed(times: np.ndarray) -> np.ndarray:
    """The same with B slower by TRUE."""
    return times * np.array([1, TRUE])[:, None, None]


def significant(found: Paired) -> bool:
    """A winner, but for the smallest difference that matters."""
    return found.p is not None and found.p < ALPHA


def covers(found: Paired) -> bool:
    """The interval holds the true ratio 1."""
    return found.low is not None and found.high is not None and found.low <= 0 <= found.high


if __name__ == "__main__":
    main()
