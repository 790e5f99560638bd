"""The first screen: one baseline a case, and nothing that looks like a ranking where none was found."""

import pytest
from make_records import SPDL, TF, TFDATA, TORCH, TORCH_LOADER, load_case, make_records, make_run, planned, step_case

from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import LoadedRun
from aggregator.report.build import build_report

LOADERS = [TFDATA, TORCH_LOADER, SPDL]


def outcome_of(case, competitors, blocks, seconds, scatter=0.004):
    """The only block of the first screen."""
    run = make_run([planned(case, competitors, blocks)])
    records = make_records(run, lambda _, who: seconds[who], scatter=scatter)
    runs = [LoadedRun(run.run_id, run, tuple(records), ())]
    (outcome,) = build_report(runs, analyse(runs)).parts[0].outcomes
    return outcome, "".join(text for text, _ in outcome.sentence)


def test_every_ratio_of_a_won_case_compares_with_the_side_that_the_sentence_names():
    found, said = outcome_of(load_case(), LOADERS, 8, {TFDATA: 0.06, TORCH_LOADER: 0.05, SPDL: 0.04})
    assert [side.name for side in found.sides] == [
        "pytorch (spdl, plain)",
        "pytorch (torch, plain)",
        "tensorflow (tfdata, plain)",
    ]
    fastest, second, third = found.sides
    assert said.startswith(f"{fastest.name} loads images (decode) {fastest.speed[:-1]} times as fast as {second.name}")
    assert fastest.interval.partition(",")[0] in said
    assert (second.speed, second.interval) == ("1×", "baseline")
    assert float(third.speed[:-1]) == pytest.approx(0.05 / 0.06, rel=0.02)


def test_undecided_sides_stand_by_name_and_have_only_bounds():
    found, said = outcome_of(load_case(), LOADERS, 5, dict.fromkeys(LOADERS, 0.05), scatter=0.1)
    names = [side.name for side in found.sides]
    assert said.startswith("Undecided: ")
    assert " is between " in said
    assert names == sorted(names)
    assert sorted("–" in side.speed for side in found.sides) == [False, True, True]
    assert [side.interval for side in found.sides if "–" in side.speed] == ["n 5", "n 5"]


def test_two_blocks_have_no_interval():
    found, said = outcome_of(step_case(), [TORCH, TF], 2, {TORCH: 20.0, TF: 30.0}, scatter=0.4)
    assert said == "No verdict with fewer than 3 blocks."
    for side in found.sides:
        assert "±" not in side.rate + side.time
        assert (side.speed, side.interval, side.bar.width) == ("", "n 2: no interval", "")
