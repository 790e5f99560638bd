"""Drift over replicates: shared or random drift changes nothing, drift of one side in every replicate widens."""

import math

import numpy as np
import pytest
from scipy import stats

from method import drift
from method.compare import Design, paired
from method.verdict import Verdict, judge_all
from runners.harness.run import Stopping

RULE = Design(False, Stopping(most_blocks=30, every=1, half_width=0.02))


def blocks(values) -> dict[int, float]:
    return dict(enumerate(map(float, values)))


def test_the_interval_is_scipys() -> None:
    values = [0.01, 0.03, 0.02, 0.05]
    found = drift.of_side(blocks(values))
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(stats.ttest_1samp(values, 0).confidence_interval(0.95)))
    assert found.n == 4


def test_fewer_than_three_replicates_show_none() -> None:
    assert drift.of_side(blocks([0.1, 0.1])) is None
    assert drift.between(blocks([0.1] * 5), {7: 0.1, 8: 0.2}) is None


def test_drift_that_both_sides_share_is_no_difference() -> None:
    draw = np.random.default_rng(1)
    ours = 0.05 + draw.normal(0, 0.01, 12)
    found = drift.between(blocks(ours), blocks(ours + draw.normal(0, 0.005, 12)))
    assert found is not None
    assert not found.significant
    assert found.bound == 0.0


def test_drift_of_one_side_in_every_replicate_has_a_bound() -> None:
    draw = np.random.default_rng(2)
    found = drift.between(blocks(draw.normal(0, 0.01, 12)), blocks(-0.03 + draw.normal(0, 0.01, 12)))
    assert found is not None
    assert found.significant
    assert found.bound == max(abs(found.low), abs(found.high)) > 0.03


@pytest.mark.parametrize("sign", [1, -1])
def test_the_interval_is_widened_only_towards_one(sign: int) -> None:
    values = [sign * (0.10 + 0.002 * (n % 3)) for n in range(12)]
    plain, wide = paired(values, RULE), paired(values, RULE, 0.04)
    near, far = (("low", "high"), ("high", "low"))[sign < 0]
    assert getattr(wide, far) == getattr(plain, far)
    assert abs(getattr(plain, near) - getattr(wide, near)) == pytest.approx(0.04)
    assert wide.log_ratio == plain.log_ratio


def test_an_interval_that_holds_one_is_widened_at_both_ends() -> None:
    values = [0.01 * math.sin(5 * n) for n in range(12)]
    plain, wide = paired(values, RULE), paired(values, RULE, 0.04)
    assert (wide.low, wide.high) == pytest.approx((plain.low - 0.04, plain.high + 0.04))


@pytest.mark.parametrize(("widened", "verdict"), [(0.0, Verdict.SLOWER), (0.05, Verdict.SLOWER), (0.2, None)])
def test_a_winner_has_to_survive_the_drift(widened: float, verdict: Verdict | None) -> None:
    values = [0.10 + 0.002 * (n % 3) for n in range(12)]
    (found,) = judge_all([paired(values, RULE, widened)])
    assert found.verdict is (verdict or Verdict.UNDECIDED)
