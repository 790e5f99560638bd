"""Large reports: read by several processes as by one, in little memory, and open about what they leave out."""

import dataclasses
import errno
import json
import multiprocessing
import os
import re
import select
import signal
import time
from array import array
from contextlib import nullcontext

import pytest
from make_records import TF, TORCH, failed, make_records, make_run, planned, step_case, write_folder

from aggregator.base import processes
from aggregator.cli import main
from aggregator.read import record_files, replicate
from aggregator.read.replicate import computed
from aggregator.read.run_folder import CannotReport, load_run
from aggregator.report import part
from aggregator.report.figures import charts
from aggregator.report.page import size_limits, write
from method.statistic import seconds
from runners.harness.case import Competitor
from runners.harness.record import SCHEMA_VERSION, Status, to_json

BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'
ONNX = Competitor("onnxruntime", "tuned")


@pytest.fixture(autouse=True)
def blank_figures(monkeypatch):
    """Figures cost time; what is here is about the rest."""
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: BLANK)


@pytest.fixture
def several(monkeypatch):
    """Three processes, this one among them, read two files at a time, however few there are."""
    monkeypatch.setattr(record_files, "ALONE", 0)
    monkeypatch.setattr(record_files, "CHUNK", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})


def a_run(cases=3, blocks=4):
    return make_run([planned(step_case(batch_size=number + 1), [TORCH, TF], blocks) for number in range(cases)])


@pytest.fixture
def mixed(tmp_path):
    """A folder with good, failed and bad records, links among them."""
    run = a_run()
    records = make_records(run)
    records[3] = failed(records[3], Status.OOM, "OOM(host)", "killed")
    folder = write_folder(tmp_path / "run", run, records)
    for number in range(5):
        (folder / f"records/bad-{number}.json").write_text("{" * number)
    (folder / "records/copy.json").write_bytes(to_json(records[0]))
    (folder / "records/link.json").symlink_to("copy.json")
    os.mkfifo(folder / "records/pipe.json")
    return folder


def test_several_processes_read_what_one_reads(mixed, request):
    alone = load_run(mixed)
    request.getfixturevalue("several")
    assert load_run(mixed) == alone
    assert [item.file for item in alone.quarantined] == sorted(item.file for item in alone.quarantined)
    assert len(alone.quarantined) == 8


def test_what_comes_after_reading_is_prepared_while_others_read(mixed, request):
    """Once the readers were started, and not where this process itself reads."""
    done = []
    alone = load_run(mixed, lambda: done.append(len(multiprocessing.active_children())))
    assert done == []
    request.getfixturevalue("several")
    assert load_run(mixed, lambda: done.append(len(multiprocessing.active_children()))) == alone
    assert done == [2]


@pytest.mark.usefixtures("several")
def test_who_reads_a_record_computes_what_is_of_it_alone(mixed, monkeypatch):
    records = load_run(mixed).records
    good = next(record for record in records if record.status is Status.OK)
    slower = dataclasses.replace(good, samples=dataclasses.replace(good.samples, step_ns=[10**9] * 80))
    assert computed(slower).seconds == 1

    def refuse(_):
        raise AssertionError("computed again")

    monkeypatch.setattr(replicate, "compute", refuse)
    for record in records:
        if record.status is Status.OK:
            assert computed(record).seconds == seconds(record)


@pytest.mark.usefixtures("several")
def test_a_newer_record_ends_several_processes_as_it_ends_one(mixed):
    newer = f'"schema_version": {SCHEMA_VERSION + 1},'.encode()
    for name in ("z-later", "a-first"):
        text = (mixed / "records/copy.json").read_bytes()
        path = mixed / f"records/{name}.json"
        path.write_bytes(text.replace(f'"schema_version": {SCHEMA_VERSION},'.encode(), newer))
    with pytest.raises(CannotReport, match=r"a-first\.json: schema version"):
        load_run(mixed)


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize("before", [0, 3])
def test_what_a_killed_reader_had_begun_is_read_by_this_process(mixed, monkeypatch, before):
    """At its first file or later: nothing is lost, nothing is there twice, and nobody waits for it."""
    whole = load_run(mixed)
    ours, parse, elsewhere = os.getpid(), record_files.parse_record, []

    def parse_or_die(data):
        if os.getpid() == ours:
            time.sleep(0.05)  # that the others get their part
        elif len(elsewhere) == before:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            elsewhere.append(data)
        return parse(data)

    monkeypatch.setattr(record_files, "parse_record", parse_or_die)
    assert load_run(mixed) == whole
    assert not multiprocessing.active_children()


def test_whoever_reads_a_record_first_the_same_is_kept(tmp_path, request, monkeypatch):
    """Of two hosts that are equal but for how they are written: the one of the first file, which another process begins
    first and ends last."""
    run = a_run(cases=1, blocks=12)
    folder = write_folder(tmp_path / "run", run, make_records(run))
    for index, path in enumerate(sorted((folder / "records").iterdir())):
        document = json.loads(path.read_text())
        packages = {"a": "1", "b": "2", **document["host"]["packages"]}
        document["host"]["packages"] = dict(sorted(packages.items(), reverse=index >= 2))
        path.write_text(json.dumps(document, indent=1) + "\n")
    alone = [to_json(record) for record in load_run(folder).records]
    request.getfixturevalue("several")
    ours, parse = os.getpid(), record_files.parse_record

    def slowly_elsewhere(data):
        if os.getpid() != ours:
            time.sleep(0.3)
        return parse(data)

    monkeypatch.setattr(record_files, "parse_record", slowly_elsewhere)
    assert [to_json(record) for record in load_run(folder, lambda: time.sleep(0.1)).records] == alone


def test_many_cpus_start_no_more_processes_than_one_can_receive_from(mixed, monkeypatch, request):
    alone = load_run(mixed)
    request.getfixturevalue("several")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(384)))
    begun = []
    assert load_run(mixed, lambda: begun.append(len(multiprocessing.active_children()))) == alone
    assert len(begun) == 1
    assert 1 <= begun[0] <= 3, "one that has nothing left to read may have ended already"


@pytest.mark.parametrize("full", ["Pipe", "Process"])
def test_where_there_is_no_room_for_another_process_this_one_reads(mixed, monkeypatch, request, full):
    alone = load_run(mixed)
    request.getfixturevalue("several")
    tried = []

    def refuse(*_, **__):
        tried.append(1)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    if full == "Pipe":
        monkeypatch.setattr(processes.FORK, "Pipe", refuse)
    else:
        monkeypatch.setattr(processes.FORK.Process, "start", refuse)
    before = set(os.listdir("/proc/self/fd"))
    assert load_run(mixed) == alone
    assert set(os.listdir("/proc/self/fd")) == before
    assert len(tried) == 1


@pytest.mark.usefixtures("several")
def test_of_reading_that_is_stopped_nothing_is_left(mixed, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    before = set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(record_files, "parse_record", stop)
    with pytest.raises(KeyboardInterrupt):
        load_run(mixed)
    assert not multiprocessing.active_children()
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.usefixtures("several")
def test_very_many_files_are_read_in_larger_chunks(mixed, monkeypatch):
    """Of whose numbers a pipe holds all, however small it is."""
    whole = load_run(mixed)
    assert record_files.MOST_CHUNKS * record_files.NUMBER <= select.PIPE_BUF
    sizes, chunk = [], record_files._read_chunk
    monkeypatch.setattr(record_files, "MOST_CHUNKS", 3)
    monkeypatch.setattr(record_files, "_numbers", lambda count: sizes.append(count) or nullcontext(iter(range(count))))
    monkeypatch.setattr(record_files, "helper", lambda _: nullcontext(closed()))
    monkeypatch.setattr(record_files, "_read_chunk", lambda *given: sizes.append(len(given[1])) or chunk(*given))
    assert load_run(mixed) == whole
    assert sizes[0] == 3
    assert max(sizes[1:]) > 2


def closed():
    """The connection of a process that could not be started."""
    here, there = multiprocessing.Pipe(duplex=False)
    there.close()
    return here


def test_what_replicates_repeat_is_kept_once(tmp_path):
    run = a_run(cases=1)
    written = make_records(run)
    found = load_run(write_folder(tmp_path / "run", run, written)).records
    ours, theirs = (record for record in found if record.competitor == TORCH and record.block.number < 2)
    assert ours.host is theirs.host
    assert ours.case is theirs.case
    assert ours.check is theirs.check
    assert ours.block != theirs.block
    assert isinstance(ours.samples.step_ns, array)
    assert [to_json(record) for record in found] == [to_json(record) for record in written]


def report_of(folder, run, **more):
    """(exit code, page, text) of this run's report."""
    target = write_folder(folder, run, make_records(run, lambda _, who: 0.06 if who == TF else 0.05, **more))
    return main(["report", str(target)]), (target / "report.html").read_text(), (target / "report.md").read_text()


def test_a_report_made_by_several_processes_is_that_of_one(tmp_path, monkeypatch):
    code, page, text = report_of(tmp_path / "one", a_run(blocks=8))
    started = []
    fork = processes.FORK.Process
    monkeypatch.setattr(processes.FORK, "Process", lambda **given: started.append(given) or fork(**given))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(part, "MUCH", 0)
    monkeypatch.setattr(write, "MUCH", 0)
    assert report_of(tmp_path / "several", a_run(blocks=8)) == (code, page, text)
    assert len(started) == 4


def test_a_report_that_has_room_leaves_nothing_out(tmp_path, monkeypatch):
    monkeypatch.setattr(size_limits, "MOST_TOLD", 3)
    monkeypatch.setattr(size_limits, "MOST_DRAWN", 3)
    _, page, text = report_of(tmp_path / "r", a_run(cases=3))
    assert "described in full" not in page + text
    assert "Not drawn" not in page + text


def test_a_report_without_room_says_what_it_leaves_out_and_judges_everything(tmp_path, monkeypatch):
    run = a_run(cases=5, blocks=8)
    code, whole, whole_text = report_of(tmp_path / "whole", run)
    monkeypatch.setattr(size_limits, "MOST_TOLD", 3)
    monkeypatch.setattr(size_limits, "MOST_DRAWN", 4)
    assert report_of(tmp_path / "r", run)[0] == code
    page, text = (tmp_path / "r/report.html").read_text(), (tmp_path / "r/report.md").read_text()
    for said in (page, text):
        assert "The first 3 cases of this report are described in full" in said
        assert "of 2 further cases are only in the records" in said
        assert "Not drawn: inference step, which has 5 cases; a figure can show 4" in said
    assert page.count("Raw samples: ") == 3
    assert set(re.findall(r'href="#(case-[\w-]+)"', page)) == set(re.findall(r'id="(case-\d[\w-]+)"', page))
    answers, tables = (r"## The answer.*?(?=## Figures)", r"## Tables.*?(?=## Each case)")
    for section in (answers, tables):
        assert re.search(section, text, re.DOTALL)[0] == re.search(section, whole_text, re.DOTALL)[0]
    assert re.findall(r"<b>[\d.]+×</b>", page)[:5] == re.findall(r"<b>[\d.]+×</b>", whole)[:5]


def test_a_case_takes_a_bounded_part_of_the_page(tmp_path, monkeypatch):
    """200 cases of 3 sides and their samples stay below 2 MB: a fifth of them in a fifth of the room."""
    monkeypatch.setattr(size_limits, "SAMPLES", size_limits.SAMPLES // 5)
    monkeypatch.setattr(size_limits, "PAGE", size_limits.PAGE // 5)
    run = make_run([planned(step_case(batch_size=number + 1), [TORCH, TF, ONNX], 8) for number in range(40)])
    _, empty, _ = report_of(tmp_path / "empty", make_run(run.cases[:1]))
    _, page, _ = report_of(tmp_path / "r", run, steps=120)
    assert page.count("Raw samples: ") == 40
    assert 'id="samples"' in page
    # What every page has, however few its cases, is in the whole of it once.
    assert len(page.encode()) - len(empty.encode()) * 4 / 5 < size_limits.PAGE
