"""Which case gets the next block, when a comparison is done, and how a finished run is continued."""

import dataclasses
import math

import numpy as np
import pytest

from method.compare import ALPHA, ENDED_ALPHA, half_width
from method.statistic import Summary
from method.stopping import Look, Standing, comparisons, extended, next_cases, standing
from method.verdict import MOST_BLOCKS
from runners.harness.case import Case, Competitor
from runners.harness.run import RUN_VERSION, PlannedCase, Run, RunState, Stopping

A = Competitor("pytorch", "eager")
B = Competitor("tensorflow", "graph")
C = Competitor("onnxruntime", "ort")
RULE = Stopping(most_blocks=30, every=1, half_width=0.02)
CASE = Case("infer", "cpu", batch_size=8, seed=25, network="cnn4", input_size=32, scope="compute")


def sides(*series: list[float], drift: float | None = None) -> dict[Competitor, dict[int, Summary]]:
    """Replicates with these logs of the compared number. The last side has this `drift` in each replicate."""
    found = {
        who: {block: Summary(math.exp(value), None, 0.0, 1.0) for block, value in enumerate(values)}
        for who, values in zip((A, B, C), series, strict=False)
    }
    if drift is not None:
        last = list(found)[-1]
        found[last] = {block: one._replace(drift=drift * (1 + 0.01 * block % 3)) for block, one in found[last].items()}
    return found


def scattered(mean: float, sd: float, blocks: int, seed: int = 1) -> list[float]:
    """Values with exactly this mean and standard deviation."""
    draw = np.random.default_rng(seed).normal(size=blocks)
    return list(mean + sd * (draw - draw.mean()) / draw.std(ddof=1))


def state(mean: float, sd: float, blocks: int = 8, asked: int = 1, **more: bool) -> Standing:
    return standing(blocks, [A, B], sides([0.0] * blocks, scattered(mean, sd, blocks)), RULE, asked, **more)


def look(found: Standing) -> Look:
    (one,) = found.looks
    return one


def test_a_clear_winner_needs_no_further_block() -> None:
    found = state(0.3, 0.05, 4)
    assert look(found).named
    assert found.further is None
    assert next_cases([found], RULE) == []


def test_many_comparisons_have_a_stricter_level() -> None:
    assert look(state(0.3, 0.08, 6)).named
    assert not look(state(0.3, 0.08, 6, asked=40)).named


def test_a_difference_below_delta_names_no_winner() -> None:
    found = state(0.015, 0.001, 6)
    assert not look(found).named
    assert found.further is None


def test_a_narrow_comparison_is_done_at_any_ratio() -> None:
    for mean in (0.0, 0.005):
        assert look(state(mean, 0.01, 12)).further == 0
    assert half_width(12, 0.03, ENDED_ALPHA) > math.log1p(0.02)
    assert (look(state(0.0, 0.03, 12)).further or 0) > 0


def test_the_expected_number_of_further_blocks_is_exact() -> None:
    needed = state(0.1, 0.1, 8).further
    assert needed is not None
    assert look(state(0.1, 0.1, 8 + needed)).named
    assert not look(state(0.1, 0.1, 8 + needed - 1)).named


def test_the_next_block_goes_where_the_answer_is_expected_soonest() -> None:
    hopeless, near, far = state(0.0, 3.0), state(0.1, 0.09), state(0.05, 0.09)
    assert near.further < far.further < hopeless.further == MOST_BLOCKS  # type: ignore[operator]
    assert next_cases([hopeless], RULE) == [0]
    assert next_cases([hopeless, far, near], RULE) == [2]
    assert next_cases([hopeless, state(0.5, 0.01)], RULE) == [0]


def test_deciding_comparisons_come_before_other_comparisons() -> None:
    """A case of three has a clear winner and an open second comparison; a case of two is undecided and slow."""
    series = [0.0] * 6, scattered(0.14, 0.08, 6), scattered(-2.0, 0.02, 6, seed=2)
    nearly = standing(6, [A, B, C], sides(*series), RULE, 3)
    assert (nearly.decided_after(30), (nearly.further or 0) > 0) == (None, True)
    open_case = state(0.1, 0.09)
    assert (nearly.further or 99) < (open_case.decided_after(30) or 0)
    assert next_cases([nearly, open_case], RULE) == [1]
    hopeless = state(0.0, 3.0)
    assert hopeless.decided_after(30) is None
    assert next_cases([hopeless, nearly], RULE) == [1]


def test_soonest_is_in_seconds_not_in_blocks() -> None:
    few_long_blocks = dataclasses.replace(state(0.12, 0.09), block_seconds=90.0)
    assert (few_long_blocks.decided_after(30) or 0) < (state(0.1, 0.09).decided_after(30) or 0)
    assert next_cases([few_long_blocks, dataclasses.replace(state(0.1, 0.09), block_seconds=1.0)], RULE) == [1]


def test_a_case_has_its_most_blocks_and_no_more() -> None:
    assert next_cases([state(0.0, 0.3, 29)], RULE) == [0]
    assert next_cases([state(0.0, 0.3, 30)], RULE) == []
    assert look(state(0.0, 0.3, 30)).further == 0


def test_every_comparison_of_a_case_has_to_be_answered() -> None:
    """The fastest of three is clear, but the other two are undecided."""
    found = standing(6, [A, B, C], sides([0.0] * 6, scattered(0.06, 0.1, 6), scattered(-2.0, 0.02, 6, seed=2)), RULE, 3)
    named = {(one.pair.left, one.pair.right): one.named for one in found.looks}
    assert named == {(A, B): False, (A, C): True}
    assert [one.pair.decides for one in found.looks] == [False, True]
    assert (found.further or 0) > 0


def test_two_blocks_are_too_few() -> None:
    assert state(0.5, 0.01, 2).further == 1


@pytest.mark.parametrize(
    ("blocks", "replicates"),
    [
        (8, {}),
        (8, sides([0.0] * 8)),
        (8, sides([0.0] * 8, [1.0] * 3)),
        (8, {A: sides([0.0] * 4)[A], B: {n: Summary(1.0, None, None, 1.0) for n in range(4, 8)}}),
    ],
    ids=["none ran", "one side", "fails more often than not", "no common block"],
)
def test_a_case_without_a_pair_to_compare_gets_no_further_block(
    blocks: int, replicates: dict[Competitor, dict[int, Summary]]
) -> None:
    assert next_cases([standing(blocks, [A, B], replicates, RULE, 1)], RULE) == []


def test_only_blocks_in_which_both_are_ok_count() -> None:
    found = sides([0.0] * 8, scattered(0.0, 0.01, 8))
    del found[A][3]
    assert look(standing(8, [A, B], found, RULE, 1)).paired.n == 7  # type: ignore[union-attr]


def test_a_drift_of_one_side_keeps_the_case_open() -> None:
    clear = [0.0] * 8, scattered(0.05, 0.01, 8)
    assert look(standing(8, [A, B], sides(*clear), RULE, 1)).named
    assert not look(standing(8, [A, B], sides(*clear, drift=0.06), RULE, 1)).named


def test_a_continued_run_does_not_end_on_width_and_named_pairs_are_done() -> None:
    assert state(0.012, 0.012, 12).further is None
    assert (state(0.012, 0.012, 12, continued=True).further or 0) > 0
    assert state(0.5, 0.01, 12, continued=True).further is None
    assert state(0.0, 0.002, 12, continued=True).further is None  # equivalent
    assert next_cases([state(0.0, 0.3, 30, continued=True)], RULE, continued=True) == [0]
    assert next_cases([Standing(MOST_BLOCKS, state(0.0, 0.3, 30, continued=True).looks)], RULE, continued=True) == []


def test_a_case_extended_after_the_end_has_only_the_anytime_valid_test() -> None:
    """0.024 ± 0.012 over 12 blocks: the t test of a narrow comparison names a winner, the stricter test does not."""
    usual, later = (look(state(0.024, 0.019, 12, continued=on, extended=on)) for on in (False, True))
    assert usual.named
    assert not later.named
    assert usual.paired.p < later.paired.p  # type: ignore[union-attr, operator]


def run_of(extensions: list[int], continued: list[int]) -> Run:
    cases = [PlannedCase(CASE, [A, B, C], 3), PlannedCase(CASE, [A, B], 3)]
    return Run(
        RUN_VERSION, "r", "p", "venv", "", 1, "", RunState.COMPLETE, [], {}, cases, [], RULE, extensions, continued
    )


def test_a_run_knows_which_cases_got_blocks_after_its_end() -> None:
    run = run_of([0, 1, 1], [1])
    assert [extended(run, case) for case in (0, 1)] == [False, True]
    assert not extended(run_of([0, 1], []), 0)


def test_the_largest_number_of_comparisons_of_a_run() -> None:
    assert comparisons(run_of([], [])) == 3 + 1
    labels = [Competitor("pytorch", "eager", alias=alias) for alias in "AB"]
    aa = Run(RUN_VERSION, "r", "p", "venv", "", 1, "", RunState.COMPLETE, [], {}, [PlannedCase(CASE, labels, 3)])
    assert comparisons(aa) == 1


def test_both_tests_share_the_level() -> None:
    """The test after every block and the t test at the end together keep ALPHA."""
    from method.compare import ANYTIME_ALPHA

    assert ANYTIME_ALPHA + ENDED_ALPHA <= ALPHA
