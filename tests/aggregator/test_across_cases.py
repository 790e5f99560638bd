"""Across cases: best settings, scaling, families of networks, and what their intervals are worth."""

import dataclasses
import math

import numpy as np
import pytest
from make_records import (
    HEALTH,
    SPDL,
    TF,
    TF_FIT,
    TORCH,
    TORCH_FIT,
    TORCH_LOADER,
    compared,
    failed,
    fit_case,
    load_case,
    make_records,
    make_run,
    planned,
    step_case,
)
from scipy import stats

from aggregator.judge.across_cases import (
    CHOICES,
    adaptive,
    enough,
    peaks,
    ratio_of_peaks,
    tasks,
    unpaired,
)
from aggregator.judge.analysis import analyse
from aggregator.judge.families import families, mean_over_cases, planned_blocks
from aggregator.read.run_folder import LoadedRun
from aggregator.report.across_cases import across_cases
from method.compare import ANYTIME, ENDED_ALPHA, paired, ratio
from runners.harness.case import Competitor
from runners.harness.record import Status
from runners.harness.run import Stopping

COMPILED = Competitor("pytorch", "compile")
TITLES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}
WORKERS = (1, 2, 4, 8)
LOADING = [planned(load_case("batch", workers), [TORCH_LOADER, SPDL], 8) for workers in WORKERS]
NETWORKS = ("resnet18", "vgg16", "mobilenet_v2", "efficientnet_b0")
STEPPING = [planned(step_case(network, batch), [TORCH, TF], 8) for network in NETWORKS for batch in (1, 8)]


def environment(plans, seconds, change=lambda record: record, scatter=0.01, **run_fields):
    """The compared cases of a run."""
    run = dataclasses.replace(make_run(plans), **run_fields)
    records = tuple(change(record) for record in make_records(run, seconds, scatter=scatter))
    return compared(run, records)


def loading_seconds(case, who):
    """torch is fastest with 4 workers; spdl with 8, and then 2.1 times as fast."""
    best = {TORCH_LOADER: 4, SPDL: 8}.get(who, 4)
    return {TORCH_LOADER: 0.1, SPDL: 0.1 / 2.1}.get(who, 0.1) * (1 + abs(math.log2(case.workers / best)))


def stepping_seconds(case, who):
    """TensorFlow is 1.25 times as fast in networks with depthwise convolutions, else PyTorch is."""
    depthwise = case.network.startswith(("mobile", "efficient"))
    return 0.05 * case.batch_size**0.5 * (1 if who == TORCH else 0.8 if depthwise else 1.25)


def said(env):
    return {one.title: one for one in across_cases(env, TITLES)}


def test_each_loader_peaks_at_its_own_number_of_workers_and_no_winner_is_named():
    env = environment(LOADING, loading_seconds)
    (members,) = tasks(env.cases)
    fast, slow = peaks(members)
    assert [peak.best.case.case.workers for peak in (fast, slow)] == [8, 4]
    compared = ratio_of_peaks(members, fast, slow, adaptive(env))
    expected = stats.ttest_ind(fast.best.log_rates, slow.best.log_rates, equal_var=False).confidence_interval()
    assert (compared.low, compared.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))
    assert compared.low < 2.1 < compared.high
    assert compared.n == (8, 8)
    found = said(env)["Best settings: data loading, CPU"]
    (line,) = found.lines
    assert line.startswith("PyTorch (spdl) peaks at 8 workers with 6")
    assert " times the peak of PyTorch (torch) at 4 workers (2." in line
    assert line.endswith("n 8 and 8; no verdict: the two were not measured side by side).")
    assert "wins" not in line
    assert found.columns == ("stage", "cases", "PyTorch (torch)", "PyTorch (spdl)")
    (row,) = found.rows
    assert [cell.detail for cell in row] == ["", "", "4 workers, n 8", "8 workers, n 8"]
    last = "The largest value of workers that was measured; a larger one may be faster."
    assert [cell.notes for cell in row] == [(), (), (), (last,)]
    assert found.notes == {last: 1}


def test_peaks_in_one_case_have_the_interval_of_its_comparison():
    env = environment(LOADING, lambda case, who: loading_seconds(case, SPDL) * (1.3 if who == SPDL else 1))
    (members,) = tasks(env.cases)
    fast, slow = peaks(members)
    (comparison,) = fast.best.case.comparisons
    compared = ratio_of_peaks(members, fast, slow, adaptive(env))
    assert fast.best.side.competitor == TORCH_LOADER
    assert compared.n == (8,)
    assert (compared.value, compared.low, compared.high) == (
        ratio(comparison.paired.log_ratio),
        ratio(comparison.paired.low),
        ratio(comparison.paired.high),
    )
    (line,) = said(env)["Best settings: data loading, CPU"].lines
    assert line.endswith(", 8 blocks).")


def test_peaks_that_differ_by_less_than_their_scatter_are_left_open():
    env = environment(LOADING, lambda case, _: loading_seconds(case, TORCH_LOADER), scatter=0.05)
    (line,) = said(env)["Best settings: data loading, CPU"].lines
    assert "Which of the two is faster is open: the first is 0.9" in line


def test_a_peak_on_a_disturbed_machine_says_so():
    def crowded(record):
        shared = record.competitor == SPDL and record.case.workers == 8
        return dataclasses.replace(record, health=dataclasses.replace(HEALTH, gpu_processes=2)) if shared else record

    found = said(environment(LOADING, loading_seconds, crowded))["Best settings: data loading, CPU"]
    assert found.lines[0].endswith("; the machine was disturbed).")
    assert any("another process" in note for note in found.notes)


def test_variants_of_one_framework_are_settings_of_it():
    cases = [planned(step_case("resnet18", batch), [TORCH, COMPILED, TF], 8) for batch in (1, 8)]
    seconds = {TORCH: 0.1, COMPILED: 0.05, TF: 0.08}
    env = environment(cases, lambda _, who: seconds[who])
    found = said(env)["Best settings: inference step, CPU"]
    assert found.lines[0].startswith("PyTorch (compile) peaks at batch 8 with 1")
    assert [cell.detail for cell in found.rows[0]][2:] == ["batch 8, variant compile, n 8", "batch 8, n 8"]


def test_the_peak_of_a_training_is_its_shortest_time():
    cases = [
        planned(dataclasses.replace(fit_case(), cache=cache, workers=workers), [TORCH_FIT, TF_FIT], 4)
        for cache in (False, True)
        for workers in (0, 2)
    ]
    env = environment(cases, lambda case, who: (20 if case.cache else 30) / (1 if who == TORCH_FIT else 1.5))
    (line,) = said(env)["Best settings: end-to-end training, CPU"].lines
    assert line.startswith("TensorFlow (tfdata) trains fastest at ")
    assert " workers and cache on, in 13." in line
    assert " times as fast as PyTorch (torch) at " in line


def test_work_that_differs_gets_no_ratio():
    cases = [planned(load_case("batch", workers, "default"), [TORCH_LOADER, SPDL], 8) for workers in WORKERS]
    found = said(environment(cases, loading_seconds))["Best settings: data loading, default settings, CPU"]
    assert found.lines[0].endswith("images/s (no ratio: nothing shows that both do the same work).")


def test_a_setting_in_which_a_check_failed_is_no_peak():
    def wrong(record):
        spoilt = record.case.workers == 8 and record.competitor == SPDL and record.block.number == 7
        return failed(record, Status.INVALID, "PIXELS", "differ") if spoilt else record

    (members,) = tasks(environment(LOADING, loading_seconds, wrong).cases)
    assert [peak.best.case.case.workers for peak in peaks(members)] == [4, 4]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({1: 100, 2: 190, 4: 300, 8: 310}, 4),
        ({1: 100, 2: 104, 4: 108}, 2),
        ({1: 100, 2: 200, 4: 150}, 2),
        ({1: 100, 2: 90, 4: 200}, 4),
        ({32: 100}, 32),
    ],
)
def test_the_value_that_is_enough_is_beaten_by_no_larger_one(rates, expected):
    assert enough(rates) == expected


def test_scaling_has_a_row_for_each_side_and_the_value_where_it_levels_off():
    def seconds(case, who):
        return 0.1 / min(case.workers, 4 if who == SPDL else 8)

    found = said(environment(LOADING, seconds))["Scaling with workers: data loading, CPU"]
    assert found.columns == ("stage", "workers", "PyTorch (torch, plain)", "PyTorch (spdl, plain)")
    (row,) = found.rows
    assert [cell.text for cell in row[:2]] == ["batch", "1 to 8"]
    assert [cell.value for cell in row[2:]] == pytest.approx([8, 4], rel=0.02)
    assert row[2].detail.endswith(", n 8 and 8")
    assert row[3].detail.endswith(", n 8 and 8, 4 is enough")


def test_a_side_that_could_not_do_the_largest_value_says_what_it_did():
    def killed(record):
        too_large = record.case.workers == 8 and record.competitor == SPDL
        return failed(record, Status.OOM, "OOM(host)", "killed") if too_large else record

    found = said(environment(LOADING, loading_seconds, killed))["Scaling with workers: data loading, CPU"]
    assert ", 1 to 4" in found.rows[0][3].detail
    assert "1 to" not in found.rows[0][2].detail


def ratios_of(env):
    return [one for group in families(env.cases, planned_blocks(env)) for one in group]


def test_families_of_networks_have_their_geometric_means():
    env = environment(STEPPING, stepping_seconds)
    found = ratios_of(env)
    assert {(one.family, one.fast.competitor, len(one.cases), one.of, one.paired.n) for one in found} == {
        ("plain convolutions", TORCH, 4, 4, 8),
        ("depthwise convolutions", TF, 4, 4, 8),
    }
    for one in found:
        each = [abs(case.comparisons[0].paired.log_ratio) for case in env.cases if case.case in one.cases]
        assert one.paired.log_ratio == pytest.approx(math.fsum(each) / len(each))
        assert one.paired.low < math.log(1.25) < one.paired.high
    lines = said(env)["Families of networks: inference step, CPU"].lines
    assert any(line.startswith("Plain convolutions: PyTorch (eager) is 1.2") for line in lines)
    assert all("geometric mean of 4 cases over 8 blocks" in line for line in lines)
    assert all("wins" not in line for line in lines)


def test_a_family_leaves_out_cases_that_cannot_be_compared_or_were_disturbed():
    def spoilt(record):
        if record.competitor != TF or record.case.batch_size != 8 or record.case.network not in ("vgg16", "resnet18"):
            return record
        if record.case.network == "vgg16":
            return dataclasses.replace(record, health=dataclasses.replace(HEALTH, gpu_processes=2))
        return failed(record, Status.INVALID, "NUMBERS", "not finite") if record.block.number == 7 else record

    env = environment(STEPPING, stepping_seconds, spoilt)
    plain = next(one for one in ratios_of(env) if one.family == "plain convolutions")
    assert (len(plain.cases), plain.of) == (2, 4)
    rows = said(env)["Families of networks: inference step, CPU"].rows
    assert "2 of 4" in [row[3].text for row in rows]


def test_a_family_that_is_equally_fast_is_left_open():
    lines = said(environment(STEPPING, lambda *_: 0.05))["Families of networks: inference step, CPU"].lines
    assert all("which is faster is open" in line for line in lines)


def test_blocks_that_a_run_added_do_not_count_in_a_family():
    run = {"stopping": Stopping(30, 1, 0.02), "extensions": [*range(len(STEPPING))] * 5}
    plans = [dataclasses.replace(one, blocks=3) for one in STEPPING]
    more = make_records(make_run(STEPPING), stepping_seconds)
    started = dataclasses.replace(make_run(plans), **run)
    env = compared(started, more)
    assert {one.paired.n for one in ratios_of(env)} == {3}
    assert not any(one.paired.anytime for one in ratios_of(env))


def test_without_a_plan_the_interval_of_a_family_is_anytime_valid():
    records = make_records(make_run(STEPPING), stepping_seconds)
    (env,) = analyse([LoadedRun("run-1", None, tuple(records), ())])
    assert all(one.paired.anytime and one.paired.n == 8 for one in ratios_of(env))
    assert adaptive(env)


def test_exchanging_the_labels_gives_the_reciprocal():
    draw = np.random.default_rng(3)
    cases = [dict(enumerate(draw.normal(0.1, 0.05, 8))) for _ in range(3)]
    found = mean_over_cases(cases)
    other = mean_over_cases([{number: -value for number, value in case.items()} for case in cases])
    assert found == other.swapped()


def test_only_blocks_of_all_cases_count_and_drift_widens_the_interval():
    cases = [{0: 0.1, 1: 0.2, 2: 0.3, 3: 9.0}, {0: 0.3, 1: 0.2, 2: 0.2}]
    found = mean_over_cases(cases)
    assert found.differences == pytest.approx((0.2, 0.2, 0.25))
    assert mean_over_cases(cases, widened=0.01).low == pytest.approx(found.low - 0.01)
    assert mean_over_cases([{0: 0.1, 1: 0.2}, {0: 0.3, 1: 0.2}]) is None


def test_the_interval_of_a_family_holds_the_true_mean():
    """In 95 %, also where a block slows one side in all cases; an interval over all ratios as if independent fails."""
    draw = np.random.default_rng(25)
    experiments, held, pooled = 2000, 0, 0
    true = np.array([0.1, 0.25, 0.02, -0.05])
    for _ in range(experiments):
        shared = draw.normal(0, 0.05, 8)
        scatter = np.array([0.02, 0.05, 0.03, 0.1])
        each = true[:, None] + shared + draw.normal(0, 1, (4, 8)) * scatter[:, None]
        found = mean_over_cases([dict(enumerate(case)) for case in each])
        held += found.low <= true.mean() <= found.high
        naive = paired((each - true[:, None]).ravel())
        pooled += naive.low <= 0 <= naive.high
    assert 0.94 <= held / experiments <= 0.96
    assert pooled / experiments < 0.85


@pytest.mark.parametrize(("settings", "least"), [((1, 1), 0.94), ((6, 6), 0.95), ((6, 1), 0.89)])
def test_the_interval_of_two_peaks_holds_their_ratio_though_the_best_were_chosen(settings, least):
    """The worst case: all settings are equally fast."""
    draw = np.random.default_rng(25)
    experiments, held = 1000, 0
    for _ in range(experiments):
        best = [max(draw.normal(0, 0.05, (number, 8)), key=np.mean) for number in settings]
        found = unpaired(*best, adaptive=False)
        held += found.low <= 1 <= found.high
    assert held / experiments >= least


def test_the_unpaired_interval_is_wider_after_adaptive_stopping_and_missing_without_scatter():
    fast, slow = [0.1, 0.12, 0.13], [0.0, 0.01, 0.05]
    fixed, stopped = unpaired(fast, slow, adaptive=False), unpaired(fast, slow, adaptive=True)
    assert stopped.low < fixed.low < fixed.value == stopped.value < fixed.high < stopped.high
    expected = stats.ttest_ind(fast, slow, equal_var=False).confidence_interval(1 - ENDED_ALPHA)
    assert stopped.low == pytest.approx(math.exp(expected.low))
    assert unpaired([0.1], slow, adaptive=False) is None
    assert unpaired([0.1, 0.1], slow, adaptive=False) is None


def test_one_case_a_workload_has_no_section():
    plans = [planned(step_case("resnet18", 8), [TORCH, COMPILED, TF], 8), planned(fit_case(), [TORCH_FIT, TF_FIT], 4)]
    assert across_cases(environment(plans, lambda *_: 0.05), TITLES) == ()


def test_an_ab_test_of_one_program_has_no_section():
    sides = [dataclasses.replace(TORCH, alias=alias) for alias in "AB"]
    plans = [planned(step_case("resnet18", batch), sides, 8) for batch in (1, 8)]
    assert across_cases(environment(plans, lambda *_: 0.05), TITLES) == ()


def test_users_choose_batch_workers_and_cache():
    assert [axis.name for axis in CHOICES] == ["batch_size", "workers", "prefetch", "cache"]
    assert [axis.chosen(1) for axis in CHOICES[:3]] == ["batch 1", "1 worker", "prefetch 1"]
    assert [axis.chosen(value) for axis, value in zip(CHOICES, (8, 2, 3, False), strict=True)] == [
        "batch 8",
        "2 workers",
        "prefetch 3",
        "cache off",
    ]


def test_the_anytime_design_of_a_family_is_wider():
    cases = [dict(enumerate(np.random.default_rng(number).normal(0.1, 0.05, 8))) for number in range(2)]
    assert mean_over_cases(cases, ANYTIME).low < mean_over_cases(cases).low
