"""The e-process: its formula, its test, and its interval."""

import math

import numpy as np
import pytest

from method.anytime import FIRST_LOOK, SPREADS, blocks_until, half_width, log_e, looks, p_value


def by_the_formula(n: int, t: float) -> float:
    """E, computed by the paper's formula."""
    nu = n - 1
    parts = [
        (1 + n * g) ** -0.5 * ((1 + t**2 / nu) / (1 + t**2 / (nu * (1 + n * g)))) ** ((nu + 1) / 2) for g in SPREADS
    ]
    return sum(parts) / len(parts)


@pytest.mark.parametrize("n", [2, 3, 8, 30, 200])
@pytest.mark.parametrize("t", [0.0, 0.5, 2.0, 7.0])
def test_it_is_the_papers_formula(n: int, t: float) -> None:
    assert math.exp(log_e(n, t)) == pytest.approx(by_the_formula(n, t))


def test_a_look_has_the_mean_and_scatter_of_all_blocks_so_far() -> None:
    values = [0.1, -0.2, 0.05, 0.3]
    for n, mean, sd in looks(values):
        assert mean == pytest.approx(np.mean(values[:n]))
        assert sd == pytest.approx(np.std(values[:n], ddof=1))
    assert [n for n, _, _ in looks(values)] == [2, 3, 4]


def test_a_mirrored_series_has_mirrored_looks() -> None:
    values = list(np.random.default_rng(1).normal(0.1, 0.3, 20))
    mirrored = [(n, -mean, sd) for n, mean, sd in looks([-value for value in values])]
    assert mirrored == list(looks(values))
    assert p_value(values) == p_value([-value for value in values])


def test_the_p_value_comes_from_the_best_look_so_far() -> None:
    values = [1.0, 1.01, 0.99, 1.0, 1.02]
    early = p_value(values)
    assert early < 0.01
    assert p_value([*values, -9.0, 11.0]) == early
    assert p_value(values[: FIRST_LOOK - 1]) == 1.0


def test_no_look_before_the_third_block_decides() -> None:
    assert p_value([1.0, 1.0 + 1e-9]) == 1.0
    assert half_width(2, 1.0, 0.05) == math.inf


@pytest.mark.parametrize("n", [3, 5, 12, 30])
def test_the_interval_excludes_exactly_the_refuted_means(n: int) -> None:
    """E reaches 1/α at a mean half an interval away."""
    half = half_width(n, 0.07, 0.025)
    assert math.exp(-log_e(n, half * math.sqrt(n) / 0.07)) == pytest.approx(0.025)


def test_three_blocks_cannot_refute_at_every_level() -> None:
    assert half_width(3, 1.0, 0.025) < math.inf
    assert half_width(3, 1.0, 0.0125) == math.inf


def test_the_predicted_number_of_blocks_is_exact() -> None:
    needed = blocks_until(0.1, 0.13, 0.025, 1000)
    assert needed is not None
    assert half_width(needed, 0.13, 0.025) <= 0.1 < half_width(needed - 1, 0.13, 0.025)
    assert blocks_until(0.001, 3.0, 0.025, 1000) is None


def test_without_a_difference_its_expectation_is_at_most_one() -> None:
    """A simulation at fixed numbers of blocks. tests/method/test_false_verdicts.py covers looks after every block."""
    draw = np.random.default_rng(25).normal(0, 1, (20_000, 10))
    for n in (3, 10):
        seen = draw[:, :n]
        t = seen.mean(axis=1) * math.sqrt(n) / seen.std(axis=1, ddof=1)
        assert np.mean([math.exp(log_e(n, one)) for one in t]) < 1.1
