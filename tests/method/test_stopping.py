"""The stopping rule: which case gets the next blocks, when there is none, and which is too noisy to wait for."""

import math

import numpy as np
import pytest

from method.compare import ADAPTIVE_ALPHA, paired
from method.stopping import Progress, next_case, progress, too_noisy
from runners.harness.case import Competitor
from runners.harness.run import Stopping

A = Competitor("pytorch", "eager")
B = Competitor("tensorflow", "graph")
C = Competitor("tensorflow", "eager")
RULE = Stopping(most_blocks=30, every=2, half_width=0.02)
TARGET = math.log1p(0.02)


def logs_of(*sides: list[float]) -> dict[Competitor, dict[int, float]]:
    return {who: dict(enumerate(values)) for who, values in zip((A, B, C), sides, strict=False)}


def scattered(sd: float, blocks: int = 8, seed: int = 1, mean: float = 0.0) -> list[float]:
    """Values with exactly this mean and scatter."""
    draw = np.random.default_rng(seed).normal(size=blocks)
    return list(mean + sd * (draw - draw.mean()) / draw.std(ddof=1))


def state(sd: float, blocks: int = 8) -> Progress:
    return progress(blocks, logs_of([0.0] * blocks, scattered(sd, blocks)))


def test_the_width_is_that_of_the_interval_in_the_report() -> None:
    values = scattered(0.03)
    found, printed = progress(8, logs_of([1.0] * 8, [1 + value for value in values])), paired(values, ADAPTIVE_ALPHA)
    assert (found.blocks, found.shared) == (8, 8)
    assert found.sd == pytest.approx(0.03)
    assert printed.low is not None
    assert printed.high is not None
    assert found.half_width == pytest.approx((printed.high - printed.low) / 2)


def test_where_the_interval_lies_changes_nothing() -> None:
    near, far = (progress(8, logs_of([0.0] * 8, scattered(0.03, mean=mean))) for mean in (0.0, 5.0))
    assert near.half_width == pytest.approx(far.half_width)


def test_of_three_competitors_the_widest_pair_counts() -> None:
    found = progress(8, logs_of([0.0] * 8, scattered(0.01), scattered(-0.03)))
    assert found.sd == pytest.approx(0.04)


def test_only_blocks_in_which_both_are_ok_count() -> None:
    logs = logs_of([0.0] * 8, scattered(0.01))
    logs[B][3] = 9.0
    del logs[A][3]
    found = progress(8, logs)
    assert (found.blocks, found.shared) == (8, 7)
    assert found.sd == pytest.approx(np.std([z for block, z in logs[B].items() if block != 3], ddof=1))


@pytest.mark.parametrize(
    "logs",
    [
        {},
        logs_of([0.0] * 8),
        {A: dict.fromkeys(range(4), 0.0), B: dict.fromkeys(range(4, 8), 1.0)},
        {A: dict.fromkeys(range(8), 0.0), B: {0: 1.0, 1: 2.0, 2: 3.0}},
        {A: {0: 1.0}, B: {0: 1.0}},
    ],
    ids=["none ran", "one side", "no common block", "fails more often than not", "one block"],
)
def test_a_case_without_a_pair_to_compare_gets_no_further_block(logs: dict[Competitor, dict[int, float]]) -> None:
    blocks = max((block for side in logs.values() for block in side), default=7) + 1
    found = progress(blocks, logs)
    assert found.half_width is None
    assert next_case([found], RULE) is None
    assert too_noisy(found, RULE) is None


def test_a_pair_short_of_a_verdict_gets_more_blocks_however_narrow() -> None:
    logs = logs_of([0.0] * 8, scattered(0.001), scattered(0.02))
    del logs[B][7]
    found = progress(8, logs)
    assert (found.shared, next_case([found], RULE)) == (7, 0)
    assert next_case([state(0.05), found], RULE) == 1


def test_the_next_blocks_go_to_the_case_furthest_from_the_target() -> None:
    assert next_case([state(0.03), state(0.04), state(0.035)], RULE) == 1
    assert next_case([state(0.03), state(0.03)], RULE) == 0


def test_a_case_that_is_narrow_or_has_had_its_blocks_gets_none() -> None:
    assert state(0.02).half_width < TARGET < state(0.023).half_width
    assert next_case([state(0.02)], RULE) is None
    assert next_case([state(0.02), state(0.023)], RULE) == 1
    assert next_case([state(0.06, blocks=28)], RULE) == 0
    assert next_case([state(0.06, blocks=30)], RULE) is None
    assert next_case([state(0.06, blocks=29)], RULE) is None
    assert next_case([], RULE) is None


def test_a_hopeless_case_waits_for_those_that_can_still_settle() -> None:
    hopeless = state(0.2)
    assert next_case([hopeless, state(0.03), state(0.2)], RULE) == 1
    assert next_case([hopeless, state(0.02), state(0.3)], RULE) == 2


def test_too_noisy_says_about_how_many_blocks_the_target_takes() -> None:
    needed = too_noisy(state(0.2), RULE)
    assert needed is not None
    assert state(0.2, needed).half_width < TARGET < state(0.2, needed - 1).half_width
    assert too_noisy(state(0.03), RULE) is None
    assert too_noisy(state(0.02), RULE) is None
    assert too_noisy(state(1e9), RULE) == 1_000_000


def test_less_time_makes_a_case_too_noisy_sooner() -> None:
    assert too_noisy(state(0.05), RULE) is None
    assert too_noisy(state(0.05), RULE, affordable=10) == 32
    assert too_noisy(state(0.05), RULE, affordable=0) == 32
    assert too_noisy(state(0.05), RULE, affordable=100) is None


def test_eight_blocks_seldom_condemn_a_case_that_thirty_settle() -> None:
    draw = np.random.default_rng(25)
    sd = 0.049
    assert state(sd, 30).half_width < TARGET
    condemned = [
        too_noisy(progress(8, logs_of([0.0] * 8, list(values))), RULE) for values in draw.normal(0, sd, (1000, 8))
    ]
    assert sum(found is not None for found in condemned) <= 70


def test_a_run_ends() -> None:
    blocks = [8, 8, 8]
    added = []
    while (
        index := next_case([state(sd, n) for sd, n in zip((0.03, 0.2, 0.01), blocks, strict=True)], RULE)
    ) is not None:
        blocks[index] += RULE.every
        added.append(index)
    assert blocks == [14, 30, 8]
    assert added == [0] * 3 + [1] * 11
