"""Step times beside what the machine could attain and what they took of its memory."""

import dataclasses
import json
import math

import pytest
from make_records import TF, TORCH, compared, failed, make_records, make_run, planned, roof_case, scale_case, step_case

from aggregator.judge.analysis import analyse
from aggregator.judge.roofline import COPY, PRODUCT, Attainable, Unknown, roof_of
from aggregator.read.parse import parse_record
from aggregator.read.run_folder import LoadedRun
from aggregator.report.build import build_report
from aggregator.report.figures import charts
from aggregator.report.figures.style import Palette
from aggregator.report.model import Panel
from aggregator.report.part import result_tables
from aggregator.report.steps.figures import roofline_figures
from runners.harness.record import Status, to_json
from runners.harness.run import Unavailable

ROOFS = [planned(roof_case(stage), [TORCH, TF], 8) for stage in ("product", "copy")]


def seconds(case, who):
    """PyTorch multiplies 20 GFLOP in 200 ms, TensorFlow in 100; each copies 100 MB in 10 ms; a step takes 50 ms."""
    rates = {"product": 0.2 if who == TORCH else 0.1, "copy": 0.01}
    return rates.get(case.stage, 0.05)


def cases_of(plans, change=lambda record: record, seconds=seconds, scatter=0.002):
    run = make_run(plans)
    records = [change(record) for record in make_records(run, seconds, scatter=scatter)]
    return compared(run, filter(None, records)).cases


def tables_of(*arguments, **more):
    cases = cases_of(*arguments, **more)
    return {table.title: table for table in result_tables(cases, {one.case: "it" for one in cases}, roof_of(cases))}


def step_table(*arguments, **more):
    (found,) = (table for title, table in tables_of(*arguments, **more).items() if title.startswith("Inference step, "))
    return found


def test_a_row_a_network_size_and_batch_and_a_group_a_competitor():
    sizes = [(128, 32), (32, 8), (128, 8), (32, 128)]
    networks = ["resnet152", "resnet18"]
    plans = [planned(step_case(name, batch, size=size), [TORCH, TF], 8) for name in networks for size, batch in sizes]
    table = step_table([*plans, *ROOFS])
    assert [tuple(cell.text for cell in row[:3]) for row in table.rows[:4]] == [
        ("resnet18", "32 px", "8"),
        ("resnet18", "32 px", "128"),
        ("resnet18", "128 px", "8"),
        ("resnet18", "128 px", "32"),
    ]
    assert table.rows[4][0].text == "resnet152"
    assert table.groups == (("", 3), ("pytorch (eager)", 3), ("tensorflow (graph)", 3), ("", 1))
    assert table.columns == ("network", "size", "batch", *("time", "attained", "memory") * 2, "attainable")
    assert all(len(row) == len(table.columns) for row in table.rows)
    time, attained, memory = table.rows[0][3:6]
    assert (time.detail, time.text.split(" ± ")[0][:2]) == ("n 8", "50")
    assert memory.text.endswith("MiB")
    # 8 GFLOP at TensorFlow's 200 GFLOP/s are 40 ms, of the 50 ms that were measured.
    assert float(attained.text.split(" ± ")[0]) == pytest.approx(80, abs=0.6)
    assert float(table.rows[0][-1].text.split(" ± ")[0]) == pytest.approx(40, abs=0.3)
    assert table.rows[0][-1].detail == "product"


def test_two_blocks_give_no_interval_and_so_no_share():
    table = step_table([planned(step_case("resnet18", 8, size=32), [TORCH, TF], 2), *ROOFS])
    assert [cell.text for cell in table.rows[0][4::3]] == ["–", "–"]
    assert table.rows[0][3].detail == "n 2"


def test_the_longer_of_two_times_is_the_limit():
    def cost(flops, moved):
        def change(record):
            if record.case.workload == "roof":
                return record
            samples = dataclasses.replace(record.samples, flops_per_step=flops, bytes_per_step=moved)
            return dataclasses.replace(record, samples=samples)

        cases = cases_of([planned(step_case(), [TORCH, TF], 8), *ROOFS], change)
        return roof_of(cases).attainable(cases[0])

    computing, moving = cost(10**9, 10**7), cost(10**9, 10**8)
    assert (computing.limit, moving.limit) == (PRODUCT, COPY)
    assert computing.seconds == pytest.approx(0.005, rel=0.01)
    assert moving.seconds == pytest.approx(0.01, rel=0.01)
    low, high = moving.bounds
    assert low < moving.seconds < high
    assert moving.intensity == 10
    assert moving.rate.n == 8


def test_the_best_of_all_competitors_is_the_machines_rate():
    cases = cases_of([planned(step_case(), [TORCH, TF], 8), *ROOFS])
    found = roof_of(cases).products["cpu", "fp32"]
    assert found.by == "tensorflow (graph)"
    assert found.per_second == pytest.approx(2e11, rel=0.01)
    logs = [math.log(2e10) - log for log in cases[1].sides[1].logs.values()]
    assert math.log(found.per_second) == pytest.approx(math.fsum(logs) / 8)


def test_what_the_machine_can_do_is_a_table_of_its_own():
    tables = tables_of([planned(step_case(), [TORCH, TF], 8), *ROOFS])
    assert list(tables)[1] == "What the machine can do"
    rows = [[cell.text for cell in row] for row in tables["What the machine can do"].rows]
    assert [row[:3] for row in rows] == [["matrix product", "fp32", "CPU"], ["copy of a large array", "fp32", "CPU"]]
    assert rows[0][4].startswith("200.")
    assert rows[0][4].endswith(" GFLOP/s")
    assert rows[0][5] == "tensorflow (graph)"
    assert " GB/s" in rows[1][3]


def test_a_product_in_another_precision_is_no_limit():
    half = dataclasses.replace(step_case(), precision="bf16")
    cases = cases_of([planned(half, [TORCH, TF], 8), *ROOFS])
    assert roof_of(cases).attainable(cases[0]) == Unknown(
        "no matrix product in bf16 was measured on this CPU: add `roof` cases to the profile"
    )
    cases = cases_of([planned(half, [TORCH, TF], 8), planned(roof_case("product", "bf16"), [TF], 8), *ROOFS])
    assert isinstance(roof_of(cases).attainable(cases[0]), Attainable)


def test_a_product_that_was_computed_otherwise_than_asked_is_no_rate():
    def pretended(record):
        effective = dataclasses.replace(record.effective, precision="fp32")
        return dataclasses.replace(record, effective=effective)

    plans = [planned(roof_case("product", "bf16"), [TF], 8), planned(roof_case("copy"), [TF], 8)]
    assert roof_of(cases_of(plans, pretended)).products == {}


def other_count(record):
    if record.competitor == TF and record.case.workload == "infer":
        return dataclasses.replace(record, samples=dataclasses.replace(record.samples, flops_per_step=5))
    return record


def no_count(record):
    samples = dataclasses.replace(record.samples, flops_per_step=None, bytes_per_step=None)
    return dataclasses.replace(record, samples=samples)


@pytest.mark.parametrize(
    ("plans", "change", "said"),
    [
        ([], lambda record: record, "no matrix product in fp32 was measured on this CPU: add `roof` cases"),
        (ROOFS[:1], lambda record: record, "no copy was measured on this CPU: add `roof` cases"),
        (ROOFS, other_count, "its records count different numbers of operations"),
        (ROOFS, no_count, "no record counts operations and bytes"),
    ],
)
def test_without_any_limit_there_is_its_reason_and_no_column_of_dashes(plans, change, said):
    table = step_table([planned(step_case(), [TORCH, TF], 8), *plans], change)
    assert table.columns == ("network", "size", "batch", *("time", "memory") * 2)
    assert sum(span for _, span in table.groups) == len(table.columns) == len(table.rows[0])
    assert f"What the machine could attain is unknown: {said}" in table.caption
    assert table.rows[0][3].detail == "n 8"


def test_beside_cases_with_a_limit_one_without_has_a_dash_with_its_reason():
    def one_uncounted(record):
        return no_count(record) if record.case.batch_size == 8 else record

    plans = [planned(step_case(batch_size=size), [TORCH, TF], 8) for size in (1, 8)]
    table = step_table([*plans, *ROOFS], one_uncounted)
    assert table.rows[0][-1].text != "–"
    row = table.rows[1]
    assert (row[4].text, row[7].text, row[-1].text) == ("–", "–", "–")
    assert row[-1].notes[0].startswith("no record counts operations and bytes")


def test_one_replicate_has_no_interval_and_so_no_share():
    table = step_table([planned(step_case(), [TORCH, TF], 1), *ROOFS])
    assert [cell.text for cell in table.rows[0][3:5]] == ["50 ms", "–"]


def test_failed_untried_and_unsupported_cells_are_dashes_with_reasons():
    def out_of_memory(record):
        if record.case.batch_size == 8 and record.competitor == TF and record.case.network:
            if record.block.number:
                return None
            return failed(record, Status.OOM, "OOM(host)", "killed for memory at 2 GiB")
        return record

    larger = dataclasses.replace(
        planned(step_case(batch_size=16), [TORCH], 8),
        unavailable=[Unavailable(TF, "NOT TRIED", "not tried (8 ran out of memory)")],
    )
    other = dataclasses.replace(
        planned(step_case("vgg16", 8), [TORCH], 8), unavailable=[Unavailable(TF, "UNSUPPORTED", "no such network")]
    )
    table = step_table([planned(step_case(batch_size=8), [TORCH, TF], 8), larger, other, *ROOFS], out_of_memory)
    cells = [row[6] for row in table.rows]
    assert [cell.text for cell in cells] == ["– OOM(host)", "– not tried (8 ran out of memory)", "– UNSUPPORTED"]
    assert [list(cell.notes) for cell in cells] == [
        ["OOM(host): killed for memory at 2 GiB (1 of 1 replicates)"],
        [],
        ["UNSUPPORTED: no such network"],
    ]
    assert all([cell.text for cell in row[7:9]] == ["–", "–"] for row in table.rows)
    assert all(row[3].detail == "n 8" for row in table.rows)


def test_precisions_scopes_and_tracks_never_share_a_table():
    case = step_case()
    changes = ({}, {"precision": "bf16"}, {"scope": "transfer+compute"}, {"track": "defaults"}, {"workload": "train"})
    plans = [planned(dataclasses.replace(case, **change), [TORCH, TF], 2) for change in changes]
    titles = [title for title in tables_of(plans) if "step" in title and "tart" not in title]
    assert titles == [
        "Inference step, fp32, data on the device, CPU",
        "Inference step, bf16, data on the device, CPU",
        "Inference step, fp32, data brought to the device, CPU",
        "Inference step, fp32, data on the device, CPU, defaults settings",
        "Training step, fp32, data on the device, CPU",
    ]


def test_what_parameters_are_kept_in_is_said():
    def kept(record):
        how = "float32" if record.competitor == TORCH else "bfloat16"
        effective = dataclasses.replace(record.effective, settings={"parameters": how})
        return dataclasses.replace(record, effective=effective)

    said = step_table([planned(step_case(), [TORCH, TF], 2)], kept).caption
    assert "Precision: fp32, as requested and as read back; parameters in float32: pytorch (eager)" in said
    assert "parameters in bfloat16: tensorflow (graph)." in said


def test_a_precision_that_was_not_in_effect_makes_a_record_invalid():
    (record,) = make_records(make_run([planned(step_case(), [TORCH], 1)]))
    document = json.loads(to_json(record))
    document["case"]["precision"] = "bf16"
    found = parse_record(json.dumps(document).encode())
    assert found.status is Status.INVALID
    assert found.error.message == "effective.precision: fp32, asked for was bf16"


def test_on_a_gpu_memory_is_the_gpus():
    def on_gpu(record):
        used = dataclasses.replace(
            record.resources,
            gpu_process_peak_bytes=3 * 2**30,
            gpu_allocated_peak_bytes=2**30,
            gpu_reserved_peak_bytes=2**31,
        )
        return dataclasses.replace(record, resources=used)

    table = step_table([planned(dataclasses.replace(step_case(), device="gpu"), [TORCH, TF], 2)], on_gpu)
    assert table.rows[0][table.columns.index("memory")].text == "3.00 GiB"
    assert "the peak of the GPU memory of the process" in table.caption


def test_winners_of_roof_cases_count_for_nothing_else():
    run = make_run([planned(step_case(), [TORCH, TF], 8), *ROOFS])
    loaded = LoadedRun(run.run_id, run, tuple(make_records(run, seconds, scatter=0.002)), ())
    report = build_report([loaded], analyse([loaded]))
    assert report.headline == (
        "1 of 1 comparison answered, after 8 blocks.",
        "Inference step, 1 case: 1 equivalent.",
    )
    assert [row[0].text for row in report.parts[0].scores.rows] == ["infer"]
    assert [line.verdict for line in report.parts[0].answers][1:] == [
        "tensorflow (graph) is faster",
        "equivalent within 2 %",
    ]
    assert not any("limits" in figure.title for figure in report.parts[0].figures)
    remarks = report.parts[0].cases[0].remarks
    assert remarks[1].startswith(
        "a step needs at least 8.00 GFLOP and 80.0 MB of memory traffic (100 FLOP/B); its limit"
    )


def test_the_roofline_plot_has_a_point_a_case_and_competitor_below_both_limits(monkeypatch):
    rows = []
    drawn_alone = Panel("", '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 440 90"/>')
    monkeypatch.setattr(charts, "draw_panels", lambda _, found, *__: rows.extend(found) or [drawn_alone])
    other = dataclasses.replace(step_case("vgg16", 1), precision="bf16")
    cases = cases_of([planned(case, [TORCH, TF], 8) for case in (step_case(), step_case(batch_size=16), other)] + ROOFS)
    names = [("pytorch", "pytorch (eager)"), ("tensorflow", "tensorflow (graph)")]
    contests = [case for case in cases if case.case.workload != "roof"]
    (figure,) = roofline_figures(contests, roof_of(cases), Palette([("infer", names)]))
    assert (figure.name, figure.title) == ("roofline-1", "Roofline: inference step, fp32, CPU")
    marks = [row for row in rows if row["kind"] == "mark"]
    assert [(row["panel"], row["competitor"], row["intensity"]) for row in marks] == [
        ("resnet18", "pytorch (eager)", 100),
        ("resnet18", "tensorflow (graph)", 100),
    ] * 2
    assert [row["value"] for row in marks] == pytest.approx([8 / 0.05] * 2 + [16 / 0.05] * 2, rel=0.01)
    left, ridge, right = ((row["intensity"], row["value"]) for row in rows if row["kind"] == "limit")
    # 200 GFLOP/s of TensorFlow's product meet 10 GB/s of copying at 20 FLOP/B.
    assert (*ridge, right[1]) == pytest.approx((20, 200, 200), rel=0.02)
    assert left[1] / left[0] == pytest.approx(10, rel=0.02)
    assert left[0] < 20 < 100 < right[0]


def scale_table(plans, took):
    """The table of a run whose steps last as long as `took` says, by the number of processes, without scatter."""
    run = make_run(plans)
    cases = compared(run, make_records(run, lambda case, _: took[case.processes], scatter=0.01)).cases
    (table,) = [one for one in result_tables(cases, {one.case: "it" for one in cases}, roof_of(cases)) if one.groups]
    return table


@pytest.mark.parametrize(("device", "efficiency"), [("cpu", 1.6), ("gpu", 0.8)])
def test_efficiency_is_the_rate_of_one_process_on_the_same_cpus_or_on_as_many_gpus(device, efficiency):
    plans = [planned(scale_case(processes, device), [TORCH, TF], 8) for processes in (1, 2)]
    table = scale_table(plans, {1: 0.08, 2: 0.05})
    one, two = table.rows
    assert (one[3].text, two[3].text) == ("1", "2")
    assert one[4].value == pytest.approx(400, rel=0.02)
    assert two[4].value == pytest.approx(640, rel=0.02)
    assert (one[5].text, one[5].value) == ("–", None)
    assert two[5].value == pytest.approx(efficiency, rel=0.03)
    assert "±" in two[5].text
    assert two[5].detail == "n 8"


def test_without_a_case_of_one_process_there_is_no_efficiency():
    plans = [planned(scale_case(processes), [TORCH, TF], 8) for processes in (2, 4)]
    table = scale_table(plans, {2: 0.05, 4: 0.04})
    assert [row[5].text for row in table.rows] == ["–", "–"]
    assert "one process" in table.rows[0][5].notes[0]


def test_a_growing_batch_has_a_table_of_its_own():
    cases = [scale_case(processes, global_batch=batch) for batch in ("fixed", "growing") for processes in (1, 2)]
    titles = tables_of([planned(case, [TORCH, TF], 8) for case in cases])
    assert any("growing global batch" in title for title in titles)
