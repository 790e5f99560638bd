"""Each counter below and above its threshold, and what to change where one was passed."""

import dataclasses

import pytest
from make_records import HEALTH, HOST, TF, TORCH, compared, make_record, make_records, make_run, planned, step_case

from aggregator.judge.health import Cause, signals, summary
from aggregator.judge.roofline import roof_of
from aggregator.report.answers import notes
from aggregator.report.case_remarks import remarks
from aggregator.report.machine_advice import REMEDIES, advice
from method.verdict import Verdict
from runners.harness.record import Status

CASE = step_case()
THRESHOLDS = [
    ("steal_fraction", {}, 0.01, 0.011, Cause.STEAL, False),
    ("pressure_some_fraction", {}, 0.10, 0.11, Cause.PRESSURE, False),
    ("others_cpu_fraction", {}, 0.05, 0.051, Cause.OTHERS, False),
    ("throttled_periods", {}, 0, 1, Cause.THROTTLED, True),
    ("major_faults", {}, 0, 1, Cause.MAJOR_FAULTS, False),
    ("swapped_in_pages", {}, 0, 1, Cause.SWAPPED, False),
    ("mhz_high", {"mhz_low": 2000.0}, 2190.0, 2210.0, Cause.CLOCK, False),
    ("product_ns_after", {"product_ns_before": 500_000}, 524_000, 526_000, Cause.SPEED, False),
    ("product_ns_before", {"product_ns_after": 500_000}, 524_000, 526_000, Cause.SPEED, False),
    ("involuntary_switches", {"threads": 2}, 400, 404, Cause.SWITCHES, False),
    ("gpu_limits", {}, [], ["sw_power_cap"], Cause.GPU_POWER, False),
    ("gpu_limits", {}, ["sw_power_cap"], ["sw_thermal_slowdown"], Cause.GPU_SLOWED, True),
    ("gpu_limits", {}, ["sw_power_cap"], ["hw_power_brake_slowdown", "sw_power_cap"], Cause.GPU_SLOWED, True),
    ("gpu_processes", {}, 1, 2, Cause.GPU_SHARED, True),
]


def with_health(record=None, **counters):
    record = record or make_record(CASE, TORCH, 0, 0)
    return dataclasses.replace(record, health=dataclasses.replace(HEALTH, **counters))


def governed(governor):
    return dataclasses.replace(make_record(CASE, TORCH, 0, 0), host=dataclasses.replace(HOST, governor=governor))


@pytest.mark.parametrize(("field", "others", "below", "above", "cause", "gate"), THRESHOLDS)
def test_a_counter_is_a_signal_above_its_threshold_only(field, others, below, above, cause, gate):
    def seen(value):
        return {(found.cause, found.gate) for found in signals(with_health(**others, **{field: value}))}

    assert (cause, gate) in seen(above)
    assert (cause, gate) not in seen(below)


@pytest.mark.parametrize(("governor", "warns"), [(None, False), ("performance", False), ("powersave", True)])
def test_only_a_governor_that_is_known_and_not_performance_is_a_signal(governor, warns):
    assert [found.cause for found in signals(governed(governor))] == [Cause.GOVERNOR] * warns


def test_a_governor_is_warned_of_once_a_side():
    assert summary([governed("powersave")] * 9) == [
        (False, "CPU governor is powersave, not performance in 9 of 9 replicates")
    ]


@pytest.mark.parametrize("record", [with_health(), dataclasses.replace(with_health(), health=None)])
def test_what_is_not_known_is_no_signal(record):
    assert list(signals(record)) == []


@pytest.mark.parametrize(
    "counters", [{"product_ns_before": -5, "product_ns_after": 5}, {"mhz_low": 0.0, "mhz_high": 1}]
)
def test_a_time_or_a_clock_that_cannot_be_is_no_signal(counters):
    assert list(signals(with_health(**counters))) == []


def test_a_high_load_before_the_window_is_no_signal_since_it_is_our_own():
    assert list(signals(with_health(load1_before=64.0))) == []


def test_gates_come_first_and_the_worst_value_is_told():
    records = [with_health(others_cpu_fraction=share, gpu_processes=2) for share in (0.2, 0.4, 0.0)]
    (gate, first), (warning, second) = summary(records)
    assert (gate, warning) == (True, False)
    assert "another process computed on the GPU in 3 of 3" in first
    assert "in 2 of 3 replicates, at worst 40" in second


@pytest.mark.parametrize(
    ("counters", "verdict"),
    [
        ({"gpu_processes": 2}, Verdict.DISTURBED),
        ({"gpu_limits": ["hw_slowdown"]}, Verdict.DISTURBED),
        ({"gpu_limits": ["sw_power_cap"]}, Verdict.SLOWER),
        (
            {"swapped_in_pages": 9, "others_cpu_fraction": 0.9, "product_ns_before": 9, "product_ns_after": 1},
            Verdict.SLOWER,
        ),
    ],
)
def test_gates_forbid_a_winner_and_warnings_do_not(counters, verdict):
    run = make_run([planned(CASE, [TORCH, TF])])
    records = [
        with_health(record, **counters) for record in make_records(run, lambda _, who: {TORCH: 0.05, TF: 0.10}[who])
    ]
    environment = compared(run, records)
    (comparison,) = environment.cases[0].comparisons
    assert comparison.verdict is verdict
    assert (comparison.winner is None) == (verdict is Verdict.DISTURBED)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_each_signal_has_its_remedy(threshold):
    field, others, _, above, cause, _ = threshold
    (said,) = (text for text in advice([with_health(**others, **{field: above})]) if REMEDIES[cause] in text)
    assert said.startswith("In 1 of 1 replicates ")


def test_advice_names_each_cause_once_and_of_equals_the_gravest_first():
    noisy = with_health(governed("powersave"), steal_fraction=0.2, others_cpu_fraction=0.5)
    said = advice([noisy, noisy, with_health()])
    assert [text.partition(" replicates ")[0] for text in said] == ["In 2 of 3", "In 2 of 3", "In 2 of 3"]
    assert ["host took" in said[0], "other programs" in said[1], "cpupower" in said[2]] == [True] * 3


def test_advice_is_three_lines_the_most_useful_first():
    """What forbids a winner, then what disturbed most replicates; two signals of one remedy are one line."""
    rare = with_health(steal_fraction=0.2, others_cpu_fraction=0.5, throttled_periods=2, pressure_some_fraction=0.5)
    often = [with_health(pressure_some_fraction=0.5), with_health(involuntary_switches=10**6), with_health()]
    said = advice([rare, *often])
    assert [text.partition(" replicates ")[0] for text in said] == ["In 1 of 4", "In 3 of 4", "In 1 of 4"]
    assert ["quota" in said[0], "threads waited" in said[1], "host took" in said[2]] == [True] * 3


def test_a_quiet_machine_needs_no_advice():
    assert advice([make_record(CASE, TORCH, number, number) for number in range(8)]) == []


def scattered(change=lambda record: record):
    return [change(make_record(CASE, TORCH, number, number, scatter=0.5)) for number in range(8)]


def test_scatter_that_no_counter_explains_asks_for_blocks_and_cores_of_its_own():
    (said,) = advice(scattered())
    assert "no counter shows why" in said
    assert "--cpus" in said


def test_scatter_that_a_counter_explains_asks_for_that_only():
    (said,) = advice(scattered(lambda record: with_health(record, steal_fraction=0.04)))
    assert "no other guest shares" in said


def test_competitors_that_differ_do_not_scatter():
    sides = [(TORCH, 0.05), (TF, 0.5)]
    assert advice([make_record(CASE, side, 0, 0, seconds=time) for side, time in sides for _ in range(4)]) == []


def test_a_replicate_that_failed_and_a_hostile_governor_say_nothing():
    broken = dataclasses.replace(with_health(steal_fraction=0.9), status=Status.FAILED, samples=None)
    assert advice([broken]) == []
    (said,) = advice([governed("<script>alert(1)</script>")])
    assert "script" not in said


@pytest.mark.parametrize(("scatter", "sides"), [(0.02, 0), (0.5, 2)])
def test_processes_that_scatter_by_more_than_a_tenth_are_told_with_the_case(scatter, sides):
    run = make_run([planned(CASE, [TORCH, TF])])
    environment = compared(run, make_records(run, scatter=scatter))
    (case,) = environment.cases
    said = remarks(case, roof_of(environment.cases))
    assert not any("scatter" in text for text in notes(case.comparisons[0]))
    assert sum("processes scatter by" in text for text in said) == sides
