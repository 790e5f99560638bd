"""The order of a run."""

from collections import Counter

import pytest
from launcher_fakes import A, B, C

from method.schedule import block_order, schedule


def test_two_competitors_mirror_each_other_from_block_to_block() -> None:
    for seed in range(20):
        orders = [block_order([A, B], seed, 0, block) for block in range(8)]
        assert all(orders[block] == orders[block + 1][::-1] for block in range(0, 8, 2))
        assert Counter(order[0] for order in orders) == {A: 4, B: 4}


def test_the_coin_falls_on_both_sides() -> None:
    firsts = Counter(block_order([A, B], seed, 0, 0)[0] for seed in range(200))
    assert 70 <= firsts[A] <= 130


@pytest.mark.parametrize("blocks", [3, 6, 9])
def test_three_competitors_stand_in_every_place_equally_often(blocks: int) -> None:
    for seed in range(10):
        orders = [block_order([A, B, C], seed, 4, block) for block in range(blocks)]
        for place in range(3):
            assert set(Counter(order[place] for order in orders).values()) == {blocks // 3}


def test_the_seed_alone_rebuilds_the_schedule() -> None:
    cases = [([A, B], 8), ([A, B, C], 8), ([C], 2)]
    assert schedule(cases, 11) == schedule(cases, 11)
    assert schedule(cases, 11) != schedule(cases, 12)


def test_blocks_are_adjacent_and_rounds_hold_every_case_once() -> None:
    order = schedule([([A, B], 3), ([A, B, C], 3), ([A, B], 3)], 5)
    assert [one.sequence for one in order] == list(range(21))
    runs = [order[0]]
    for one in order[1:]:
        if (one.case, one.block) != (runs[-1].case, runs[-1].block):
            runs.append(one)
        else:
            assert one.position > 0
    assert Counter((one.case, one.block) for one in runs) == {
        (case, block): 1 for case in range(3) for block in range(3)
    }
    assert [sorted(one.case for one in runs[start : start + 3]) for start in (0, 3, 6)] == [[0, 1, 2]] * 3


def test_record_ids_are_unique_and_safe_in_file_names() -> None:
    odd = [A, B, type(A)("al/pha", "../x", "a b")]
    ids = [one.record_id for one in schedule([(odd, 2)] * 3, 1)]
    assert len(set(ids)) == len(ids)
    assert all(character.isalnum() or character in "-_." for one in ids for character in one)
    assert not any("/" in one or one.startswith(".") for one in ids)
