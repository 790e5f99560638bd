"""The order of a run."""

from collections import Counter

import pytest
from launcher_fakes import A, B, C

from method.schedule import Entry, block_order, schedule


def test_two_competitors_mirror_each_other_from_block_to_block() -> None:
    for seed in range(20):
        orders = [block_order([A, B], seed, "case", block) for block in range(8)]
        assert all(orders[block] == orders[block + 1][::-1] for block in range(0, 8, 2))
        assert Counter(order[0] for order in orders) == {A: 4, B: 4}


def test_the_coin_falls_on_both_sides() -> None:
    firsts = Counter(block_order([A, B], seed, "case", 0)[0] for seed in range(200))
    assert 70 <= firsts[A] <= 130


@pytest.mark.parametrize("blocks", [3, 6, 9])
def test_three_competitors_take_every_place_equally_often(blocks: int) -> None:
    for seed in range(10):
        orders = [block_order([A, B, C], seed, "case", block) for block in range(blocks)]
        for place in range(3):
            assert set(Counter(order[place] for order in orders).values()) == {blocks // 3}


def test_the_seed_alone_rebuilds_the_schedule() -> None:
    cases = [Entry("one", [A, B], 8), Entry("two", [A, B, C], 8), Entry("three", [C], 2)]
    assert schedule(cases, 11) == schedule(cases, 11)
    assert schedule(cases, 11) != schedule(cases, 12)


def test_blocks_are_adjacent_and_rounds_hold_every_case_once() -> None:
    order = schedule([Entry("x", [A, B], 3), Entry("y", [A, B, C], 3), Entry("z", [A, B], 3)], 5)
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
    ids = [one.record_id for one in schedule([Entry("x", odd, 2)] * 3, 1)]
    assert len(set(ids)) == len(ids)
    assert all(character.isalnum() or character in "-_." for one in ids for character in one)
    assert not any("/" in one or one.startswith(".") for one in ids)


def test_neither_the_plans_order_nor_the_competitors_changes_the_schedule() -> None:
    cases = [Entry("one", [A, B], 4), Entry("two", [A, B, C], 4)]
    turned = [Entry("two", [C, B, A], 4), Entry("one", [B, A], 4)]
    names = [(cases[one.case].key, one.block, one.competitor) for one in schedule(cases, 3)]
    assert names == [(turned[one.case].key, one.block, one.competitor) for one in schedule(turned, 3)]


def test_extensions_only_add_replicates_at_the_end() -> None:
    cases = [Entry("one", [A, B], 8), Entry("two", [A, B], 8)]
    fixed, longer, longest = (schedule(cases, 3, extensions, 2) for extensions in ([], [1], [1, 1, 0]))
    assert longer[: len(fixed)] == fixed
    assert longest[: len(longer)] == longer
    added = longest[len(fixed) :]
    assert [(one.case, one.block) for one in added[::2]] == [(1, 8), (1, 9), (1, 10), (1, 11), (0, 8), (0, 9)]
    assert all(one.competitor != other.competitor for one, other in zip(added[::2], added[1::2], strict=True))
    assert added[0].competitor == added[3].competitor
