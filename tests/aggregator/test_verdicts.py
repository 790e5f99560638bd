"""The paired comparison and every row of the table of verdicts."""

import dataclasses
import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
from make_records import (
    HEALTH,
    HOST,
    SPDL,
    TF,
    TFDATA,
    TORCH,
    TORCH_LOADER,
    compared,
    failed,
    load_case,
    make_records,
    make_run,
    planned,
    step_case,
)
from scipy import stats

from aggregator.judge.analysis import analyse
from aggregator.judge.sides import ranked
from aggregator.read.run_folder import LoadedRun
from aggregator.report.answers import answer
from aggregator.report.relative_speed import relative_rows
from method.compare import ANYTIME, ENDED_ALPHA, Design, blocks_until_narrower, paired, ratio
from method.statistic import seconds, summarise
from method.verdict import ALPHA, DELTA, MOST_BLOCKS, Obstacle, Verdict, doubted_by_permutation, judge_all
from runners.harness.record import Status
from runners.harness.run import Stopping

CASE = step_case()
ADAPTIVE = Design(False, Stopping(most_blocks=30, every=1, half_width=0.02))


def compare(records, run, baseline=None):
    """All comparisons of one run."""
    loaded = LoadedRun(run.run_id, run, tuple(records), ())
    return [found for env in analyse([loaded], baseline) for case in env.cases for found in case.comparisons]


def two_sides(factor=1.0, blocks=10, change=lambda record: record, **more):
    """The comparison of two sides whose times differ by `factor`."""
    run = make_run([planned(CASE, [TORCH, TF], blocks)])
    records = make_records(run, lambda _, who: 0.05 * (factor if who == TF else 1), **more)
    (found,) = compare([change(record) for record in records], run)
    return found


def test_the_interval_is_scipys_and_holds_the_ratio():
    found = two_sides(1.2)
    logs = [found.right.logs[n] - found.left.logs[n] for n in range(10)]
    expected = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert found.paired.log_ratio == pytest.approx(np.mean(logs))
    assert (found.paired.low, found.paired.high) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("seed", range(20))
def test_swapping_labels_gives_the_reciprocal_and_the_mirrored_interval(seed):
    draw = random.Random(seed)
    differences = [draw.gauss(0.02, 0.03) for _ in range(9)]
    ours, theirs = paired(differences), paired([-value for value in differences])
    assert theirs == ours.swapped()
    high, low = sorted((ratio(ours.log_ratio), ratio(theirs.log_ratio)), reverse=True)
    assert low == 1 / high


def test_the_order_of_blocks_changes_nothing():
    differences = [random.Random(3).gauss(0, 1) for _ in range(12)]
    ours, theirs = paired(differences), paired(differences[::-1])
    assert theirs == dataclasses.replace(ours, differences=ours.differences[::-1])


def test_faster_and_slower():
    assert two_sides(1.2).verdict is Verdict.SLOWER
    assert two_sides(1 / 1.2).verdict is Verdict.FASTER
    assert two_sides(1.2).winner.competitor == TORCH


def test_equivalent():
    assert two_sides(1.0, scatter=0.004).verdict is Verdict.EQUIVALENT


def test_a_certain_but_small_difference_names_no_winner():
    found = two_sides(1.012, scatter=0.001)
    assert found.judged.p_holm < 0.001
    assert found.verdict is Verdict.EQUIVALENT


def blocks_of(number, mean, sd):
    """So many differences with exactly this mean and scatter."""
    shape = np.arange(number, dtype=float)
    return list(mean + sd * (shape - shape.mean()) / shape.std(ddof=1))


@pytest.mark.parametrize(
    ("mean", "sd", "comparisons", "settled"),
    [
        (0.0, 0.06, 1, Verdict.EQUIVALENT),
        (0.01, 0.03, 1, Verdict.EQUIVALENT),
        (-0.015, 0.03, 40, Verdict.EQUIVALENT),
        (0.03, 0.06, 1, Verdict.SLOWER),
        (-0.03, 0.06, 1, Verdict.FASTER),
        (0.2, 0.35, 12, Verdict.SLOWER),
    ],
)
def test_the_blocks_said_to_be_needed_are_those_that_settle_it(mean, sd, comparisons, settled):
    def judged(number):
        beside = [paired(blocks_of(8, 0.0, 1.0))] * (comparisons - 1)
        return judge_all([paired(blocks_of(number, mean, sd)), *beside])[0]

    found = judged(8)
    assert found.verdict is Verdict.UNDECIDED
    assert judged(8 + found.missing).verdict is settled
    assert judged(8 + found.missing - 1).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("mean", "sd", "obstacle"),
    [
        (DELTA - 1e-5, 0.02, Obstacle.NEAR),
        (-DELTA + 1e-5, 0.02, Obstacle.NEAR),
        (0.0, 3.0, Obstacle.NOISE),
        (0.05, 3.0, Obstacle.NOISE),
    ],
)
def test_what_no_number_of_blocks_settles_is_said_instead(mean, sd, obstacle):
    (found,) = judge_all([paired(blocks_of(8, mean, sd))])
    assert (found.verdict, found.missing) == (Verdict.UNDECIDED, obstacle)


def test_undecided_says_how_many_more_blocks():
    found = two_sides(1.0, scatter=0.06, blocks=8)
    assert found.verdict is Verdict.UNDECIDED
    said = f"undecided; about {found.judged.missing} more blocks would settle it"
    assert answer(found, "", "", None).verdict == said


def test_a_search_for_blocks_ends():
    assert blocks_until_narrower(1e9, 0.02, MOST_BLOCKS) is None
    assert blocks_until_narrower(0.0, 0.02, MOST_BLOCKS) == 2


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_the_same_ratio_to_the_last_digit_is_no_measurement(factor):
    def copied(record):
        samples = dataclasses.replace(
            record.samples, step_ns=[int(2_000_000 * factor ** (record.competitor == TF))] * 80
        )
        return dataclasses.replace(record, samples=samples)

    found = two_sides(blocks=8, change=copied)
    assert found.verdict is Verdict.DISTURBED
    assert found.winner is None
    assert "to the last digit in all 8 blocks" in found.disturbed
    assert found.paired.p is None
    assert answer(found, "", "", None).ratio == ""


def test_the_two_tests_disagree_where_one_finds_what_the_other_does_not_nearly():
    agreed = paired(blocks_of(8, 0.1, 0.05))
    assert agreed.p_permutation == 2 / 256
    assert not doubted_by_permutation(agreed)
    for ours, theirs, doubted in ((0.04, 0.11, True), (0.11, 0.04, True), (0.04, 0.09, False), (0.06, 0.5, False)):
        found = SimpleNamespace(n=8, p_t=ours, p_permutation=theirs)
        assert doubted_by_permutation(found) is doubted


def test_fewer_than_three_blocks_have_no_verdict():
    found = two_sides(2.0, blocks=2)
    assert found.verdict is Verdict.FEW_BLOCKS
    assert found.winner is None
    assert found.paired.n == 2
    assert two_sides(2.0, blocks=3).winner.competitor == TORCH


def test_a_block_counts_only_where_both_sides_are_ok():
    def kill(record):
        lost = record.competitor == TF and record.block.number not in (2, 6)
        return failed(record, Status.OOM, "OOM(host)", "killed") if lost else record

    found = two_sides(1.5, change=kill)
    assert found.paired.n == 2
    assert found.verdict is Verdict.FEW_BLOCKS


def test_no_common_block_is_incomplete():
    found = two_sides(change=lambda r: failed(r, Status.CRASHED, "CRASH", "x") if r.competitor == TF else r)
    assert found.verdict is Verdict.INCOMPLETE
    assert found.paired is None


def test_differing_work_is_not_comparable():
    def other_weights(record):
        return dataclasses.replace(record, check=dataclasses.replace(record.check, trainable=999))

    found = two_sides(1.5, change=lambda record: other_weights(record) if record.competitor == TF else record)
    assert found.verdict is Verdict.NOT_COMPARABLE
    assert "trainable differs" in found.incomparable


def test_evidence_of_another_shape_is_not_comparable_rather_than_an_error():
    def cut(record):
        return dataclasses.replace(record, check=dataclasses.replace(record.check, losses=[1.0]))

    assert two_sides(change=cut).verdict is Verdict.NOT_COMPARABLE


def test_an_invalid_record_is_not_comparable():
    def spoil(record):
        return failed(record, Status.INVALID, "PARAMETERS", "one too many") if record.block.sequence == 3 else record

    found = two_sides(1.5, change=spoil)
    assert found.verdict is Verdict.NOT_COMPARABLE
    assert "PARAMETERS: one too many" in found.incomparable


def test_differing_threads_are_not_comparable():
    def narrow(record):
        return dataclasses.replace(record, effective=dataclasses.replace(record.effective, threads_intra=1))

    found = two_sides(1.5, change=lambda record: narrow(record) if record.competitor == TF else record)
    assert found.verdict is Verdict.NOT_COMPARABLE
    assert "threads intra in effect differs: 2 and 1" in found.incomparable


@pytest.mark.parametrize(
    ("names", "uuids", "reason"),
    [
        (("H100", "NVIDIA H100"), ("GPU-1", "GPU-1"), None),
        (("H100", "H100"), ("GPU-1", "GPU-2"), "gpu uuid in effect differs: GPU-1 and GPU-2"),
        (("H100", "A100"), (None, None), "gpu in effect differs: H100 and A100"),
    ],
)
def test_competitors_on_different_gpus_are_not_comparable(names, uuids, reason):
    """The words for one GPU may differ, and two GPUs may have the same name."""

    def placed(record):
        other = record.competitor == TF
        effective = dataclasses.replace(record.effective, gpu=names[other], gpu_uuid=uuids[other])
        return dataclasses.replace(record, effective=effective)

    found = two_sides(1.5, change=placed)
    assert (found.verdict is Verdict.NOT_COMPARABLE) is (reason is not None)
    assert reason is None or reason in found.incomparable


@pytest.mark.parametrize(("field", "reason"), [("check", "no evidence"), ("effective", "settings were in effect")])
@pytest.mark.parametrize("silent", [(TF,), (TORCH, TF)])
def test_a_record_that_proves_nothing_is_not_comparable(field, reason, silent):
    def mute(record):
        return dataclasses.replace(record, **{field: None}) if record.competitor in silent else record

    found = two_sides(1.5, change=mute)
    assert found.verdict is Verdict.NOT_COMPARABLE
    assert reason in found.incomparable


@pytest.mark.parametrize("counter", [{"throttled_periods": 1}, {"gpu_processes": 2}, {"gpu_limits": ["hw_slowdown"]}])
def test_a_machine_that_was_another_one_for_a_side_names_no_winner(counter):
    """In more than a quarter of the side's replicates: two of eight are not more."""

    def busy(blocks):
        spoilt = dataclasses.replace(HEALTH, **counter)
        return lambda one: dataclasses.replace(one, health=spoilt) if one.block.number in blocks else one

    assert two_sides(1.5, blocks=8, change=busy((1, 2))).verdict is Verdict.SLOWER
    found = two_sides(1.5, blocks=8, change=busy((1, 2, 5)))
    assert found.verdict is Verdict.DISTURBED
    assert found.winner is None


@pytest.mark.parametrize("counter", [{"steal_fraction": 0.2}, {"others_cpu_fraction": 0.5}, {"major_faults": 9}])
def test_what_only_adds_noise_keeps_nobody_from_winning(counter):
    """The interval over blocks holds it already."""

    def busy(record):
        return dataclasses.replace(record, health=dataclasses.replace(HEALTH, **counter))

    found = two_sides(6.7, change=busy)
    assert found.verdict is Verdict.SLOWER
    assert found.left.signals


def ramped(by):
    """Steps that become slower by so much from first to last, or faster."""

    def change(record):
        steps = [int(step * (1 + by * index / 80)) for index, step in enumerate(record.samples.step_ns)]
        return dataclasses.replace(record, samples=dataclasses.replace(record.samples, step_ns=steps))

    return change


def of_tf(change):
    return lambda record: change(record) if record.competitor == TF else record


def test_both_sides_may_drift_alike():
    found = two_sides(1.5, change=ramped(0.1))
    assert found.verdict is Verdict.SLOWER
    assert found.paired.widened == 0
    assert found.left.drift.significant


def test_a_drift_of_one_side_widens_the_interval_and_is_told():
    plain, found = two_sides(1.5), two_sides(1.5, change=of_tf(ramped(0.1)))
    assert found.verdict is Verdict.SLOWER
    assert found.paired.widened > 0.06
    assert found.paired.low < plain.paired.low
    (note,) = [text for text in answer(found, "", "", None).notes if "quarter" in text]
    assert "tensorflow (graph) became" in note


def test_a_drift_as_large_as_the_difference_names_nobody():
    assert two_sides(1.03, scatter=0.002).verdict is Verdict.SLOWER
    found = two_sides(1.03, scatter=0.002, change=of_tf(ramped(0.3)))
    assert found.verdict is Verdict.UNDECIDED
    assert found.judged.missing is Obstacle.DRIFT
    assert "drifted against the other" in answer(found, "", "", None).verdict


def test_a_drift_of_either_sign_is_noise():
    def wandering(record):
        return ramped(0.1 if record.block.number % 2 else -0.1)(record)

    found = two_sides(1.5, change=of_tf(wandering))
    assert found.verdict is Verdict.SLOWER
    assert found.paired.widened == 0


def test_a_figure_says_which_case_is_disturbed():
    run = make_run([planned(CASE, [TORCH, TF], 8)])
    spoilt = dataclasses.replace(HEALTH, throttled_periods=3)
    for change, said in ((lambda one: dataclasses.replace(one, health=spoilt), True), (lambda one: one, False)):
        loaded = LoadedRun(run.run_id, run, tuple(change(record) for record in make_records(run)), ())
        (env,) = analyse([loaded])
        assert {row["case"].endswith("(disturbed)") for row in relative_rows(env.cases[0])} == {said}


def test_a_drift_needs_quarters_of_two_steps():
    run = make_run([planned(CASE, [TORCH], 1)])
    assert [summarise(record).drift for record in make_records(run, steps=12)] == [None]
    assert summarise(make_records(run, steps=13)[0]).drift is not None


def loader_record(steps, workers=2, queue=4):
    """A loader's replicate with these intervals, in ms, after warm-up."""
    (record,) = make_records(make_run([planned(load_case(workers=workers), [TORCH_LOADER], 1)]))
    times = [5] * 8 + [int(step * 1e6) for step in steps]
    return dataclasses.replace(
        record, samples=dataclasses.replace(record.samples, step_ns=times, warmup_steps=8, queue_batches=queue)
    )


EVEN = [40.0, 0.4]
"""Two workers that finish at the same time: batches come in pairs."""


@pytest.mark.parametrize(
    ("steps", "drift"),
    [
        (EVEN * 40, 0.0),
        (EVEN * 41, 0.0),
        (EVEN * 39, None),
        ([*EVEN * 20, *[1.4 * step for step in EVEN * 20]], math.log(1.4)),
        ([*EVEN * 50, *[step / 1.15 for step in EVEN * 50]], -math.log(1.15)),
    ],
)
def test_a_loader_s_drift_is_taken_over_whole_bursts(steps, drift):
    found = summarise(loader_record(steps)).drift
    assert found is None if drift is None else found == pytest.approx(drift, abs=1e-3)


def test_bursts_of_a_loader_neither_move_its_rate_nor_make_it_drift():
    bursty = loader_record([80.0 if index % 8 == 0 else 1e-6 for index in range(8 * 21)], workers=8, queue=8)
    assert seconds(bursty) == pytest.approx(0.01, rel=1e-6)
    assert summarise(bursty).drift == pytest.approx(0.0)


WEAK = [0.03 + 0.05 * math.sin(7 * n) for n in range(12)]


def test_holm_spans_the_whole_report():
    weak = paired(WEAK)
    assert 0.05 / 20 < weak.p < 0.05
    assert judge_all([weak])[0].verdict is Verdict.SLOWER
    assert judge_all([weak] * 20)[0].verdict is Verdict.UNDECIDED


def test_an_adaptive_run_needs_a_stronger_answer():
    fixed, adaptive, unknown = paired(WEAK), paired(WEAK, ADAPTIVE), paired(WEAK, ANYTIME)
    assert fixed.p == fixed.p_t == adaptive.p_t < 0.05 < adaptive.p == unknown.p
    assert [judge_all([found])[0].verdict for found in (fixed, adaptive)] == [Verdict.SLOWER, Verdict.UNDECIDED]
    assert adaptive.anytime
    assert adaptive.low < fixed.low


def test_a_narrow_comparison_of_an_adaptive_run_has_its_t_test_too():
    values = blocks_of(12, 0.024, 0.019)
    narrow, later = paired(values, ADAPTIVE), paired(values, ANYTIME)
    assert not narrow.anytime
    assert (narrow.low, narrow.high) == pytest.approx(
        tuple(stats.ttest_1samp(values, 0).confidence_interval(1 - ENDED_ALPHA))
    )
    assert narrow.p == pytest.approx(narrow.p_t * ALPHA / ENDED_ALPHA)
    assert later.anytime
    assert later.low < narrow.low


def test_so_has_one_with_its_most_blocks():
    assert [paired(blocks_of(number, 0.05, 0.2), ADAPTIVE).anytime for number in (29, 30)] == [True, False]


def test_adaptive_and_fixed_runs_stand_in_one_report():
    beside = paired(blocks_of(8, 0.0, 1.0))
    fixed, adaptive = paired(WEAK), paired(blocks_of(8, 0.2, 0.05), ADAPTIVE)
    judged = judge_all([fixed, adaptive, beside])
    assert [found.p_holm for found in judged] == pytest.approx([fixed.p * 2, adaptive.p * 3, 1.0])
    assert judged == judge_all([beside, adaptive, fixed])[::-1]


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 0.03), (0.05, 0.075)])
def test_an_adaptive_run_is_told_its_own_number_of_missing_blocks(mean, sd):
    def judged(number):
        return judge_all([paired(blocks_of(number, mean, sd), ANYTIME)])[0]

    found = judged(8)
    assert found.missing > judge_all([paired(blocks_of(8, mean, sd))])[0].missing
    assert judged(8 + found.missing).verdict is not Verdict.UNDECIDED


def test_a_mean_of_nothing_mirrors_as_well():
    differences = blocks_of(9, 0.0, 0.03)
    differences[4] = -math.fsum(differences[:4] + differences[5:])
    ours, theirs = paired(differences), paired([-value for value in differences])
    assert theirs == ours.swapped()
    assert (theirs.low, theirs.high) == (-ours.high, -ours.low)
    assert theirs.p_permutation == ours.p_permutation


def test_of_three_each_meets_the_baseline_and_the_best_its_runner_up():
    run = make_run([planned(load_case(), [TORCH_LOADER, SPDL, TFDATA], 8)])
    speed = {TORCH_LOADER: 0.2, SPDL: 0.1, TFDATA: 0.11}
    found = compare(make_records(run, lambda _, who: speed[who]), run)
    assert [(c.left.competitor, c.right.competitor, c.decides) for c in found] == [
        (TORCH_LOADER, SPDL, False),
        (TORCH_LOADER, TFDATA, False),
        (TFDATA, SPDL, True),
    ]
    other = compare(make_records(run, lambda _, who: speed[who]), run, baseline=TFDATA.label)
    assert [(c.left.competitor, c.right.competitor, c.decides) for c in other] == [
        (TFDATA, TORCH_LOADER, False),
        (TFDATA, SPDL, True),
    ]


def test_a_third_side_that_failed_early_does_not_hide_who_is_faster():
    run = make_run([planned(load_case(), [TORCH_LOADER, SPDL, TFDATA], 8)])
    speed = {TORCH_LOADER: 0.2, SPDL: 0.1, TFDATA: 0.3}
    records = [
        failed(record, Status.CRASHED, "CRASH", "x") if record.competitor == TFDATA and record.block.number else record
        for record in make_records(run, lambda _, who: speed[who])
    ]
    # In the one block all three finished, the slower of the two was the faster.
    records = [
        dataclasses.replace(
            record,
            samples=dataclasses.replace(record.samples, step_ns=[step // 4 for step in record.samples.step_ns]),
        )
        if record.competitor == TORCH_LOADER and record.block.number == 0
        else record
        for record in records
    ]
    env = compared(run, records)
    (case,) = env.cases
    assert [side.competitor for side in ranked(case.sides)] == [SPDL, TORCH_LOADER]
    assert {row["competitor"] for row in relative_rows(case)} == {"pytorch (spdl, plain)", "pytorch (torch, plain)"}
    assert case.deciding.paired.n == 8


@pytest.mark.parametrize("counter", [{"pressure_some_fraction": 0.2}, {"involuntary_switches": 30_000}])
def test_what_a_frameworks_own_threads_cause_is_a_warning_that_blames_nobody(counter):
    def crowded(record):
        return dataclasses.replace(record, health=dataclasses.replace(HEALTH, **counter))

    found = two_sides(1.5, change=crowded)
    assert found.verdict is Verdict.SLOWER
    ((gate, text),) = found.left.signals
    assert not gate
    assert "its own threads included" in text


def test_machines_and_versions_are_not_pooled():
    run = make_run([planned(CASE, [TORCH, TF], 16)])

    def moved(record):
        return dataclasses.replace(record, host=dataclasses.replace(record.host, hostname_digest="elsewhere"))

    records = [moved(record) if record.block.number >= 8 else record for record in make_records(run)]
    assert [found.paired.n for found in compare(records, run)] == [8, 8]
    newer = [
        dataclasses.replace(record, host=dataclasses.replace(HOST, packages={"torch": "9"}))
        if record.competitor == TORCH and record.block.number >= 10
        else record
        for record in make_records(run)
    ]
    assert [found.paired.n for found in compare(newer, run)] == [10, 6]


def on_node(record, name, engine="slurm", **facts):
    host = dataclasses.replace(HOST, engine=engine, hostname_digest=name, **facts)
    return dataclasses.replace(record, host=host)


@pytest.mark.parametrize("engine", ["slurm", "slurm-apptainer"])
def test_nodes_of_one_type_are_a_section_and_nodes_of_two_types_are_two(engine):
    run = make_run([planned(CASE, [TORCH, TF], 16)])
    alike = [on_node(record, "ab"[record.block.number % 2], engine) for record in make_records(run)]
    assert [found.paired.n for found in compare(alike, run)] == [16]
    models = ("Xeon", "EPYC")
    mixed = [on_node(one, "ab"[one.block.number % 2], engine, cpu_model=models[one.block.number % 2]) for one in alike]
    assert [found.paired.n for found in compare(mixed, run)] == [8, 8]


def test_sides_from_two_nodes_are_never_paired():
    run = make_run([planned(CASE, [TORCH, TF], 8)])
    records = [on_node(record, "a" if record.competitor == TF else "b") for record in make_records(run)]
    assert {comparison.verdict for comparison in compare(records, run)} == {Verdict.INCOMPLETE}


def test_sides_from_differing_machines_are_never_paired():
    def moved(record):
        return dataclasses.replace(record, host=dataclasses.replace(record.host, hostname_digest="elsewhere"))

    run = make_run([planned(CASE, [TORCH, TF], 8)])
    found = compare([moved(record) if record.competitor == TF else record for record in make_records(run)], run)
    assert {comparison.verdict for comparison in found} == {Verdict.INCOMPLETE}
