"""What the report says about loaders: epochs, cost, pixels, limits, and what bounds them."""

import dataclasses

import pytest
from make_records import SPDL, TFDATA, TORCH_LOADER, compared, load_case, make_records, make_run, planned

from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import LoadedRun
from aggregator.report.build import build_report
from aggregator.report.figures import charts
from aggregator.report.figures.style import Palette
from aggregator.report.loaders import figures
from aggregator.report.loaders.bounds import axis_of, loading
from aggregator.report.loaders.tables import loader_tables
from aggregator.report.model import Panel
from aggregator.report.page import size_limits
from aggregator.report.scores import score_table
from method.verdict import Verdict
from runners.harness.record import PipelineStage

NEW_STAGES = ("second_epoch", "cold_epoch", "decode_alone", "read_cold", "headspace", "observed")
EPOCHS, TAKES, PIXELS, LIMITS = (
    f"Data loading: {name}" for name in ("epochs and start-up", "resources", "pixels", "limits")
)


def cases_of(cases, change=lambda record: record, seconds=lambda *_: 0.05, who=(TORCH_LOADER, TFDATA)):
    """The analysed cases of a run without scatter between processes, its records changed."""
    run = make_run([planned(case, who, 2) for case in cases])
    records = tuple(map(change, make_records(run, seconds, scatter=0.0)))
    return compared(run, records).cases


def tables_of(*arguments, **more):
    return {table.title: table for table in loader_tables(cases_of(*arguments, **more))}


def column(table, head):
    return [row[table.columns.index(head)].text for row in table.rows]


def loading_of(cases):
    named = [(case.case.workload, [(side.competitor.framework, side.name) for side in case.sides]) for case in cases]
    return loading(cases, Palette(named), {"pytorch": "PyTorch"})


def drawings_of(*arguments, **more):
    found = loading_of(cases_of(*arguments, **more))
    return found.loaders if found else ()


def with_times(**times):
    """Makes a record whose stages took so many seconds an image; None leaves a stage out, with a reason."""

    def change(record):
        samples = record.samples
        ns = {**samples.stage_ns}
        for name, seconds in times.items():
            ns.pop(name)
            if seconds is not None:
                ns[name] = int(seconds * samples.stage_items[name] * 1e9)
        items = {name: number for name, number in samples.stage_items.items() if name in ns}
        unknown = {f"samples.stage_ns.{name}": f"no {name}" for name in times if times[name] is None}
        samples = dataclasses.replace(samples, stage_ns=ns, stage_items=items)
        return dataclasses.replace(record, samples=samples, unknown=unknown)

    return change


def older(record):
    """The record as schema 4 had it."""
    ns = {name: value for name, value in record.samples.stage_ns.items() if name not in NEW_STAGES}
    return dataclasses.replace(record, samples=dataclasses.replace(record.samples, stage_ns=ns, stage_items={}))


def with_settings(**settings):
    def change(record):
        return dataclasses.replace(record, effective=dataclasses.replace(record.effective, settings=settings))

    return change


def test_epochs_stand_beside_each_other():
    table = tables_of([load_case()], with_times(epoch=0.002, second_epoch=0.001, cold_epoch=0.003))[EPOCHS]
    epochs = [column(table, head)[0] for head in ("first epoch", "second epoch", "epoch, cold page cache")]
    assert epochs == ["480 ms", "240 ms", "720 ms"]


def test_an_epoch_that_could_not_be_had_is_a_dash_with_its_reason():
    table = tables_of([load_case()], with_times(cold_epoch=None))[EPOCHS]
    cell = table.rows[0][table.columns.index("epoch, cold page cache")]
    assert cell.text == "–"
    assert cell.notes[0] == "no cold_epoch"


def test_older_records_have_the_epochs_that_they_know_and_no_limits():
    tables = tables_of([load_case()], older)
    assert LIMITS not in tables
    assert tables[EPOCHS].columns[-2:] == ("first batch", "first epoch")
    assert loading_of(cases_of([load_case()], older)) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"workers_alive": "3", "worker_kind": "process"}, "3 (process)"),
        ({"private_threadpool_size": "2", "worker_kind": "thread"}, "2 (thread)"),
        ({"workers_alive": "1"}, "1"),
        ({}, "–"),
    ],
)
def test_workers_asked_stand_beside_those_seen(settings, said):
    table = tables_of([load_case(workers=4)], with_settings(**settings))[TAKES]
    assert (column(table, "workers")[0], column(table, "workers seen")[0]) == ("4", said)


def test_queued_batches_are_told_where_a_record_does():
    def queued(record):
        return dataclasses.replace(record, samples=dataclasses.replace(record.samples, queue_batches=8))

    assert "batches queued" not in tables_of([load_case()])[TAKES].columns
    assert column(tables_of([load_case()], queued)[TAKES], "batches queued") == ["8", "8"]


def test_no_number_of_a_loader_is_told_in_two_tables():
    run = make_run([planned(load_case(), [TORCH_LOADER, TFDATA], 2)])
    loaded = LoadedRun(run.run_id, run, tuple(make_records(run)), ())
    [part] = build_report([loaded], analyse([loaded])).parts
    heads = [head for table in part.tables for head in table.columns]
    for head in ("first batch", "peak memory", "CPU time per image", "import"):
        assert heads.count(head) == 1


def off_by(mean, worst):
    def change(record):
        check = dataclasses.replace(record.check, pixel_mean_difference=mean, pixel_worst_image=worst)
        return dataclasses.replace(record, check=check) if record.case.track == "default" else record

    return change


BOTH_TRACKS = [load_case(track=track) for track in ("default", "matched")]


def test_pixels_are_told_by_competitor_and_track():
    table = tables_of(BOTH_TRACKS, off_by(3.456, 12.0), who=[SPDL])[PIXELS]
    rows = zip(*(column(table, head) for head in ("track", "mean difference", "worst image")), strict=True)
    assert list(rows) == [("matched", "0.21", "1.20"), ("default", "3.46", "12.00")]


def test_no_winner_is_named_where_the_work_need_not_be_the_same():
    run = make_run([planned(case, [TORCH_LOADER, TFDATA], 8) for case in BOTH_TRACKS])
    records = make_records(run, lambda _, who: 0.05 if who == TFDATA else 0.1)
    unequal, equal = compared(run, records).cases
    assert unequal.comparisons[0].verdict is Verdict.NOT_COMPARABLE
    assert equal.comparisons[0].winner.competitor == TFDATA


def test_work_that_is_not_the_same_is_counted_apart_and_said_to_differ():
    cases = cases_of(BOTH_TRACKS, off_by(3.456, 12.0))
    assert [row[0].text for row in score_table(cases).rows] == ["load, default settings", "load"]
    said = "of 255: pytorch (torch, plain) 3.46, tensorflow (tfdata, plain) 3.46."
    [remark] = loading_of(cases).remarks
    assert remark.startswith("With default settings the loaders do not do the same work.")
    assert remark.endswith(said)
    assert loading_of(cases_of([load_case()])).remarks == ()


def test_a_track_of_its_own_has_a_column_only_beside_another():
    assert "track" in tables_of(BOTH_TRACKS)[""].columns
    assert "track" not in tables_of([load_case()])[""].columns


def test_decoding_is_bounded_by_the_workers_or_by_the_cpus():
    table = tables_of([load_case(workers=number) for number in (1, 2, 4)], with_times(decode_alone=0.002))[LIMITS]
    decoding = table.columns.index("images")
    assert table.groups[1] == ("decoding", 2)
    assert [row[decoding].text for row in table.rows[::2]] == ["500/s", "1000/s", "1000/s"]


def test_storage_is_told_in_images_and_in_bytes():
    table = tables_of([load_case()], with_times(read_cold=0.001))[LIMITS]
    at = table.columns.index("bytes")
    assert [table.rows[0][at - 1].text, table.rows[0][at].text] == ["1000/s", "100 MB/s"]


def test_a_share_of_more_than_all_is_shown_as_it_is():
    table = tables_of([load_case(workers=1)], with_times(decode_alone=0.004))[LIMITS]
    share = column(table, "share")[0]  # 640 images a second of 250
    assert float(share.split()[0]) == pytest.approx(256, rel=0.01)
    assert "can exceed 100 %" in table.caption


def test_a_limit_that_could_not_be_had_is_a_dash_with_its_reason():
    def change(record):
        return with_times(headspace=None)(record) if record.competitor == TFDATA else record

    table = tables_of([load_case()], change)[LIMITS]
    cells = [row[-2] for row in table.rows]
    assert [cell.text for cell in cells] == ["4000/s", "–"]
    assert cells[1].notes[0] == "no headspace"


SLOW = {"decode_alone": 1e-4, "read_cold": 1e-5, "headspace": 1e-5, "cold_epoch": 0.01}
"""Limits far from a loader of 640 images a second."""


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({}, "Not bound by a single limit: it reaches 6 % of the rate of decoding alone, the closest."),
        ({"decode_alone": 0.0014}, "Bound by decoding: it reaches 90 % of the rate of decoding alone."),
        ({"headspace": 0.0014}, "Bound by handing over: it reaches 90 % of the rate of handing over alone."),
        ({"decode_alone": 0.0016, "headspace": 0.0014}, "Bound by decoding (102 %) and handing over (90 %)."),
        (
            {"decode_alone": 0.004},
            "Decodes faster than the reference decoder (256 %); not bound by a single limit: it reaches 1 % of the "
            "rate of handing over alone, the closest.",
        ),
        (
            {"decode_alone": 0.004, "headspace": 0.0014},
            "Decodes faster than the reference decoder (256 %); bound by handing over: it reaches 90 % of the rate of "
            "handing over alone.",
        ),
        (
            {"decode_alone": 0.0014, "read_cold": 0.009},
            "Bound by decoding: it reaches 90 % of the rate of decoding alone; bound by storage when the page cache is "
            "cold (90 %).",
        ),
        (
            {"decode_alone": None, "headspace": None, "read_cold": 0.003, "cold_epoch": None},
            "Without the page cache, storage would bind it.",
        ),
    ],
)
def test_what_bounds_a_loader_is_said(times, said):
    [drawn] = drawings_of([load_case(workers=1)], with_times(**{**SLOW, **times}), who=[SPDL])
    assert drawn.title == "PyTorch (spdl, plain): decode, batch 32, workers 1"
    assert drawn.sentences[0] == said


def test_a_loader_without_limits_is_not_drawn():
    times = dict.fromkeys(("headspace", "decode_alone", "read_cold", "observed"))
    assert loading_of(cases_of([load_case()], with_times(**times))) is None


def test_a_loaders_rate_is_drawn_among_its_limits_on_one_axis():
    found = loading_of(cases_of([load_case(workers=number) for number in (1, 2)]))
    first = found.loaders[0]
    assert [rate.name for rate in first.limits] == ["decoding alone", "storage alone", "handing over alone"]
    assert [rate.text for rate in first.limits] == ["667 images/s", "2000 images/s", "4000 images/s"]
    assert first.own.text == "640 images/s"
    places = [float(rate.place.middle) for rate in (first.own, *first.limits)]
    assert places == sorted(places)
    assert (places[0], places[-1]) == pytest.approx((5, 95), abs=0.5)
    assert [label for label, _ in found.ticks] == ["1000", "2000"]
    assert all(4 < float(place) < 96 for _, place in found.ticks)
    # The same rate has the same place beside every loader.
    assert len({drawn.limits[-1].place for drawn in found.loaders}) == 1


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [(400, 6000, [500, 1000, 2000, 5000]), (640, 1281, None), (640, 640, None), (9, 1e7, None), (0.04, 3, None)],
)
def test_an_axis_of_rates_has_ticks_and_a_margin(low, high, labels):
    axis = axis_of([low, high])
    assert 0 < len(axis.ticks) < 9
    assert 4.5 < axis.place(low) < axis.place(high) + 1e-9 < 95.5
    assert labels is None or list(axis.ticks) == labels


def test_limits_stand_beside_the_longest_pipeline():
    cases = [load_case(stage) for stage in ("normalize", "decode", "elsewhere")]
    [drawn] = drawings_of(cases, who=[SPDL], seconds=lambda case, _: 0.05 if case.stage == "normalize" else 0.01)
    assert drawn.title.startswith("PyTorch (spdl, plain): normalize, ")
    assert drawn.own.text.startswith("640 ")
    assert drawings_of([load_case("elsewhere")]) == ()


def test_drawings_past_the_limit_are_left_out_and_counted(monkeypatch):
    monkeypatch.setattr(size_limits, "MOST_BOUNDS", 3)
    found = loading_of(cases_of([load_case(workers=number) for number in (1, 2, 3)]))
    assert len(found.loaders) == 3
    assert found.further == "3 further drawings left out: the table of limits has all loaders."


def watched(*stages):
    """Makes a record whose loader was watched for a second: name, workers, and how busy they were together."""

    def change(record):
        pipeline = [PipelineStage(name, workers, 9, int(busy * 1e9)) for name, workers, busy in stages]
        ns = record.samples.stage_ns | {"observed": 10**9}
        return dataclasses.replace(record, samples=dataclasses.replace(record.samples, stage_ns=ns, pipeline=pipeline))

    return change


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        (
            [("decode", 4, 3.8), ("batch", 1, 0.3)],
            "decode, at work 95 % of the time of its 4 workers, by its own clock.",
        ),
        ([("decode", 4, 2.0), ("batch", 1, 0.98)], "batch, at work 98 % of the time, by its own clock."),
    ],
)
def test_the_busiest_stage_of_a_loader_is_named(stages, said):
    [drawn] = drawings_of([load_case()], watched(*stages), who=[SPDL])
    assert drawn.sentences[-1] == f"Busiest stage: {said}"
    table = tables_of([load_case()], watched(*stages), who=[SPDL])[TAKES]
    [cell] = column(table, "stages busy")
    assert cell.startswith(stages[0][0])
    assert cell.count("%") == len(stages)


def test_loaders_of_which_none_was_watched_have_no_column_for_it():
    assert "stages busy" not in tables_of([load_case()], older)[TAKES].columns


def drawn(monkeypatch, cases):
    """The figures by name, and the rows of each: of marks, and of the limit."""
    rows = []
    drawn_alone = Panel("", '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 440 90"/>')
    monkeypatch.setattr(charts, "draw_panels", lambda _, found, *__: rows.append(found) or [drawn_alone])
    palette = Palette([("load", [(side.competitor.framework, side.name) for side in cases[0].sides])])
    made = [draw(cases, palette) for draw in (figures.throughput, figures.cost, figures.first_batch)]
    made = [figure for figure in made if figure]
    return {figure.name: (figure, own) for figure, own in zip(made, rows, strict=True)}


TWO = [load_case(workers=number) for number in (1, 2)]


def test_rates_are_drawn_beside_what_decoding_allows(monkeypatch):
    figure, rows = drawn(monkeypatch, cases_of(TWO, with_times(decode_alone=0.002)))["loader-throughput"]
    limits = [row for row in rows if row["kind"] == "limit"]
    assert [(row["workers"], round(row["value"])) for row in limits] == [(1, 500), (2, 1000)]
    assert "decoding alone" in {row.get("text") for row in rows}
    assert "dashed line" in figure.caption
    figure, rows = drawn(monkeypatch, cases_of(TWO, older))["loader-throughput"]
    assert "dashed line" not in figure.caption
    assert "limit" not in {row["kind"] for row in rows}


def test_unequal_work_has_a_panel_of_its_own(monkeypatch):
    cases = cases_of([*TWO, *(dataclasses.replace(case, track="default") for case in TWO)])
    for _, rows in drawn(monkeypatch, cases).values():
        assert {row["panel"] for row in rows} == {"decode, batch 32", "decode, batch 32, default settings"}


def test_one_number_of_workers_is_left_to_the_tables(monkeypatch):
    assert set(drawn(monkeypatch, cases_of(TWO))) == {"loader-throughput", "loader-cost", "loader-first-batch"}
    assert drawn(monkeypatch, cases_of(TWO[:1])) == {}
