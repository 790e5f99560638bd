"""First steps apart by the compiler's cache, and memory in all its kinds."""

import dataclasses

from make_records import (
    TF,
    TORCH,
    TORCH_FIT,
    compared,
    fit_case,
    load_case,
    make_records,
    make_run,
    planned,
    roof_case,
    step_case,
)

from aggregator.judge.analysis import analyse
from aggregator.judge.metrics import peak_gpu_memory
from aggregator.judge.roofline import roof_of
from aggregator.read.run_folder import LoadedRun
from aggregator.report.build import build_report
from aggregator.report.case_remarks import remarks
from aggregator.report.figures.style import Palette
from aggregator.report.model import Panel
from aggregator.report.resources.figures import CPU_ENERGY, FIRST_STEP, GPU_ENERGY, GPU_MEMORY, MEMORY, reading_figure
from aggregator.report.resources.tables import startup_table
from runners.harness.case import Competitor

COMPILED = Competitor("pytorch", "compile")
SECOND = 10**9


def first_steps(record):
    """The compiled variant starts cold in 30 s and warm in 4; nobody else keeps compiled code."""
    cache, seconds = None, 1
    if record.competitor == COMPILED:
        cache, seconds = ("warm", 4) if record.block.number else ("cold", 30)
    samples = dataclasses.replace(record.samples, first_step_ns=seconds * SECOND, compiler_cache=cache)
    return dataclasses.replace(record, samples=samples)


def cases_of(plans, change=lambda record: record):
    run = make_run(plans)
    return compared(run, map(change, make_records(run))).cases


def table_of(workload, *arguments):
    cases = cases_of(*arguments)
    return startup_table(workload, cases, {case.case: "it" for case in cases})


def test_the_first_step_is_told_apart_by_the_state_of_the_cache():
    table = table_of("infer", [planned(step_case(), [TORCH, COMPILED], 8)], first_steps)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    heads = ("first step, cold cache", "first step, warm cache", "first step, no cache")
    assert [[(row[head].text, row[head].detail) for head in heads] for row in rows] == [
        [("–", ""), ("–", ""), ("1.00 s", "")],
        [("30.0 s", "n 1"), ("4.00 s", "n 7"), ("–", "")],
    ]
    assert "the first replicate of a competitor on a case finds the cache empty (cold)" in table.caption


def test_a_column_that_nobody_fills_is_left_out():
    steps = table_of("infer", [planned(step_case(), [TORCH, TF], 2)])
    assert steps.columns == (
        *("case", "competitor", "n", "import", "set-up"),
        *("first step, no cache", "peak memory", "CPU time per image"),
    )
    assert not any("first" in head for head in table_of("fit", [planned(fit_case(), [TORCH_FIT], 2)]).columns)


def test_each_workload_has_its_table_and_the_machines_limits_have_none():
    run = make_run([planned(case, [TORCH, TF], 2) for case in (step_case(), load_case(), fit_case(), roof_case())])
    loaded = LoadedRun(run.run_id, run, tuple(make_records(run)), ())
    titles = [table.title for table in build_report([loaded], analyse([loaded])).parts[0].tables]
    assert titles[-2:] == [f"{name}: start-up and resources" for name in ("Inference step", "End-to-end training")]
    assert next(title for title in titles if "start-up" in title) == "Data loading: epochs and start-up"
    assert len([title for title in titles if "start-up" in title]) == 3


TWO_CASES = [planned(step_case(batch_size=size), [TORCH, TF], 8) for size in (1, 8)]


def drawn(monkeypatch, reading, cases):
    """The rows of one figure, and the report's figure itself."""
    seen = []

    def keep(_, rows, *__):
        seen.extend(row for row in rows if row["kind"] == "mark")
        return [Panel(rows[0]["panel"], '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 440 90"/>')]

    monkeypatch.setattr("aggregator.report.figures.charts.draw_panels", keep)
    names = [(side.competitor.framework, side.name) for side in cases[0].sides]
    return reading_figure(reading, cases, Palette([("infer", names)])), seen


def test_the_figure_of_first_steps_has_warm_ones_hollow(monkeypatch):
    cases = cases_of([planned(step_case(), [TORCH, COMPILED], 8)], first_steps)
    figure, rows = drawn(monkeypatch, FIRST_STEP, cases)
    assert (figure.name, figure.title) == ("first-step", "Time of the first step: inference step")
    assert "Hollow marks" in figure.caption
    found = [(row["competitor"], row["value"], row["hollow"]) for row in rows]
    assert found == [("pytorch (eager)", 1, False), ("pytorch (compile)", 30, False), ("pytorch (compile)", 4, True)]


def test_one_competitor_alone_is_left_to_the_table(monkeypatch):
    assert drawn(monkeypatch, MEMORY, cases_of([planned(step_case(), [TORCH], 8)]))[0] is None


def test_a_peak_of_nothing_is_not_drawn_on_a_scale_that_has_no_nothing(monkeypatch):
    def empty(record):
        return dataclasses.replace(record, resources=dataclasses.replace(record.resources, rss_peak_bytes=0))

    figure, rows = drawn(monkeypatch, MEMORY, cases_of(TWO_CASES, empty))
    assert (figure, rows) == (None, [])


def joules(record):
    """PyTorch takes 3 joules for an image, TensorFlow 2; the GPU is not in use."""
    images = len(record.samples.step_ns) * record.samples.items_per_step
    energy = images * (3.0 if record.competitor.framework == "pytorch" else 2.0)
    used = dataclasses.replace(record.resources, energy_joules=energy, energy_counters=["package-0"])
    return dataclasses.replace(record, resources=used)


def test_energy_has_columns_and_a_figure_where_it_was_counted(monkeypatch):
    table = table_of("infer", TWO_CASES, joules)
    heads = ("CPU energy per image", "CPU energy per step")
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [tuple(row[head].text for head in heads) for row in rows] == [
        *(("3.00 J", "3.00 J"), ("2.00 J", "2.00 J")),
        *(("3.00 J", "24.0 J"), ("2.00 J", "16.0 J")),
    ]
    assert "GPU energy per image" not in table.columns
    assert "compares only what ran alone" in table.caption
    figure, rows = drawn(monkeypatch, CPU_ENERGY, cases_of(TWO_CASES, joules))
    assert (figure.name, {row["value"] for row in rows}) == ("cpu-energy", {2.0, 3.0})
    assert drawn(monkeypatch, GPU_ENERGY, cases_of(TWO_CASES, joules))[0] is None


def test_where_no_energy_was_counted_none_is_mentioned(monkeypatch):
    table = table_of("infer", TWO_CASES)
    assert "nergy" not in "".join((table.caption, *table.columns))
    assert drawn(monkeypatch, CPU_ENERGY, cases_of(TWO_CASES))[0] is None


def with_gpu(held, given, reserved):
    def change(record):
        peaks = {
            "gpu_process_peak_bytes": held,
            "gpu_allocated_peak_bytes": given,
            "gpu_reserved_peak_bytes": reserved,
        }
        return dataclasses.replace(record, resources=dataclasses.replace(record.resources, **peaks))

    return change


def test_gpu_memory_is_the_processs_else_the_allocators(monkeypatch):
    plans = TWO_CASES
    for peaks, value in (((2**30, 2**29, 2**28), 2**30), ((None, 2**29, 2**28), 2**29), ((None, None, None), None)):
        cases = cases_of(plans, with_gpu(*peaks))
        assert peak_gpu_memory(cases[0].sides[0].ok[0]) == value
        table = startup_table("infer", cases, {case.case: "it" for case in cases})
        assert ("peak GPU memory" in table.columns) is (value is not None)
        figure, rows = drawn(monkeypatch, GPU_MEMORY, cases)
        assert (figure is not None) is (value is not None)
        assert {row["value"] for row in rows} == ({value / (2**30 if value == 2**30 else 2**20)} if value else set())


def test_all_three_peaks_of_a_gpu_stand_in_the_cases_details():
    cases = cases_of([planned(step_case(), [TORCH, TF], 8)], with_gpu(3 * 2**30, 2**30, 2**31))
    said = "GPU memory at the peak 3.00 GiB held by the process, 1.00 GiB given out by its allocator, "
    assert f"pytorch (eager): {said}2.00 GiB reserved by its allocator (n 8)" in remarks(cases[0], roof_of(cases))
    assert not any("GPU" in text for text in remarks(*nothing()))


def nothing():
    cases = cases_of([planned(step_case(), [TORCH, TF], 8)])
    return cases[0], roof_of(cases)


def test_peaks_of_an_older_schema_are_said_to_hold_more():
    run = make_run([planned(step_case(), [TORCH, TF], 2)])
    for version, said in ((3, False), (2, True)):
        records = tuple(dataclasses.replace(record, schema_version=version) for record in make_records(run))
        loaded = LoadedRun(run.run_id, run, records, ())
        assert any("set-up" in text for text in build_report([loaded], analyse([loaded])).limits) is said
