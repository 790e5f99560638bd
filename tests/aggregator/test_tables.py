"""Cells whose number means more or less than it seems."""

import dataclasses

import pytest
from make_records import (
    TF,
    TF_FIT,
    TFDATA,
    TORCH,
    TORCH_FIT,
    TORCH_LOADER,
    compared,
    fit_case,
    load_case,
    make_records,
    make_run,
    planned,
    step_case,
)

from aggregator.judge.metrics import cpu_energy, cpu_time, gpu_energy, of_a_step
from aggregator.judge.roofline import roof_of
from aggregator.report.cells import ONE_SEED
from aggregator.report.figures.style import Palette
from aggregator.report.part import result_tables, score_table
from aggregator.report.part_figures import part_figures


def tables_of(run, records):
    """Every table of one run's only environment."""
    env = compared(run, records)
    return result_tables(env.cases, {case.case: "the case" for case in env.cases}, roof_of(env.cases))


def fit_tables(accuracy):
    """The table of end-to-end training where replicate n has `accuracy(n)`."""
    run = make_run([planned(fit_case(), [TORCH_FIT, TF_FIT], 8)])
    records = [
        dataclasses.replace(record, check=dataclasses.replace(record.check, accuracy=accuracy(record.block.number)))
        for record in make_records(run)
    ]
    return tables_of(run, records)[0]


def test_an_accuracy_that_every_replicate_repeats_is_of_one_seed():
    table = fit_tables(lambda _: 0.324)
    cell = table.rows[0][table.columns.index("accuracy")]
    assert (cell.text, cell.detail) == ("32.4 %", "1 seed")
    assert cell.notes[0] == ONE_SEED


def test_an_accuracy_that_differs_between_replicates_has_its_range():
    table = fit_tables(lambda number: 0.32 + number / 1000)
    cell = table.rows[0][table.columns.index("accuracy")]
    assert (cell.text, cell.detail, cell.notes) == ("32.4 % (32.0–32.7)", "", ())


def with_cpu(record, seconds, steps=None):
    """`record` with so much CPU time, and so many steps."""
    samples = dataclasses.replace(record.samples, step_ns=record.samples.step_ns[:steps])
    return dataclasses.replace(
        record, samples=samples, resources=dataclasses.replace(record.resources, cpu_seconds=seconds)
    )


def test_cpu_time_is_an_images_since_the_faster_side_takes_more_steps():
    run = make_run([planned(step_case(batch_size=8), [TORCH, TF], 1)])
    one, other = make_records(run)
    assert cpu_time(with_cpu(one, 6.4, 80)) == pytest.approx(0.01)
    assert cpu_time(with_cpu(other, 3.2, 40)) == pytest.approx(0.01)


def test_cpu_time_is_shared_by_the_steps_of_the_throughput_groups_too():
    (record,) = make_records(make_run([planned(step_case(batch_size=8), [TORCH], 1)]))
    record = with_cpu(record, 6.4, 40)
    grouped = dataclasses.replace(record.samples, group_ns=[10**8] * 4, group_steps=10)
    assert cpu_time(dataclasses.replace(record, samples=grouped)) == pytest.approx(0.01)


def test_cpu_time_of_a_fit_is_shared_by_the_images_of_all_epochs():
    (record,) = make_records(make_run([planned(fit_case(epochs=3), [TORCH_FIT], 1)]))
    record = dataclasses.replace(record, samples=dataclasses.replace(record.samples, items_per_step=100))
    assert cpu_time(with_cpu(record, 6.0)) == pytest.approx(0.02)


def test_cpu_time_below_a_tick_is_unknown_rather_than_nought():
    (record,) = make_records(make_run([planned(load_case(), [TORCH], 1)]))
    assert cpu_time(with_cpu(record, 0.0)) is None


def test_the_tally_counts_cases_by_winner_and_by_verdict():
    run = make_run([planned(step_case(network), [TORCH, TF], 8) for network in ("cnn4", "resnet18", "resnet50")])
    slower = {"cnn4": 1.5, "resnet18": 1 / 1.5, "resnet50": 1.0}
    records = make_records(run, lambda case, who: 0.05 * (slower[case.network] if who == TF else 1), scatter=0.004)
    env = compared(run, records)
    table = score_table(env.cases)
    counted = dict(zip(table.columns, [cell.text for cell in table.rows[0]], strict=True))
    assert counted == {
        "workload": "infer",
        "cases": "3",
        "all sides finished": "3",
        "won by pytorch (eager)": "1",
        "won by tensorflow (graph)": "1",
        "equivalent": "1",
    }


def test_what_one_number_a_side_would_draw_is_left_to_the_table():
    def names(cases):
        run = make_run(cases)
        env = compared(run, make_records(run))
        palette = Palette(
            (case.case.workload, [(side.competitor.framework, side.name) for side in case.sides]) for case in env.cases
        )
        return {figure.name for figure in part_figures(env.cases, roof_of(env.cases), palette, "")}

    one, two = ([planned(load_case(workers=number), [TORCH_LOADER, TFDATA], 2) for number in n] for n in ((1,), (1, 2)))
    assert "loader-throughput" in names(two)
    assert "loader-throughput" not in names(one)
    short, long = ([planned(fit_case(epochs), [TORCH_FIT, TF_FIT], 2)] for epochs in (1, 2))
    assert "fit-history" in names(long)
    assert "fit-history" not in names(short)
    # One case, or one mark a side, is on the first screen.
    alone, pair = ([planned(step_case("cnn4", size), [TORCH, TF], 4) for size in n] for n in ((1,), (1, 2)))
    assert names(alone) == set()
    assert names(pair) == {"relative-speed-steps", "peak-memory", "first-step"}


def with_energy(record, cpu, gpu=None, counters=("package-0",)):
    """`record` with so many joules of its window."""
    used = {"energy_joules": cpu, "gpu_energy_joules": gpu, "energy_counters": list(counters)}
    return dataclasses.replace(record, resources=dataclasses.replace(record.resources, **used))


def test_energy_is_an_images_and_a_steps():
    (record,) = make_records(make_run([planned(step_case(batch_size=8), [TORCH], 1)]))
    steps = len(record.samples.step_ns)
    counted = with_energy(record, 16.0 * steps, 4.0 * steps)
    assert [read(counted) for read in (cpu_energy, gpu_energy)] == [2.0, 0.5]
    assert [of_a_step(read)(counted) for read in (cpu_energy, gpu_energy)] == [16.0, 4.0]


def test_energy_of_a_training_is_shared_by_the_images_of_all_epochs_and_no_steps():
    (record,) = make_records(make_run([planned(fit_case(epochs=3), [TORCH_FIT], 1)]))
    record = dataclasses.replace(record, samples=dataclasses.replace(record.samples, items_per_step=100))
    assert cpu_energy(with_energy(record, 600.0)) == 2.0
    assert of_a_step(cpu_energy)(with_energy(record, 600.0)) is None


def test_energy_that_nobody_counted_is_unknown():
    (record,) = make_records(make_run([planned(load_case(), [TORCH], 1)]))
    assert cpu_energy(record) is None
    assert gpu_energy(record) is None
    assert cpu_energy(with_energy(record, 16.0, counters=())) is None  # an older record: the first package alone
