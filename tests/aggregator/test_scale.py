"""Large reports: read into little memory, and open about what they leave out."""

import os
import re
from array import array

import pytest
from make_records import TF, TORCH, failed, make_records, make_run, planned, step_case, write_folder

from aggregator.cli import main
from aggregator.read.run_folder import CannotReport, load_run
from aggregator.report.figures import charts
from aggregator.report.page import size_limits
from runners.harness.case import Competitor
from runners.harness.record import SCHEMA_VERSION, Status, to_json

BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'
ONNX = Competitor("onnxruntime", "tuned")


@pytest.fixture(autouse=True)
def blank_figures(monkeypatch):
    """Figures cost time; what is here is about the rest."""
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: BLANK)


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


def test_bad_files_are_named_in_order_and_the_others_are_read(mixed):
    found = load_run(mixed)
    assert [item.file for item in found.quarantined] == sorted(item.file for item in found.quarantined)
    assert (len(found.quarantined), found.duplicates) == (7, 1)
    assert len(found.records) == 24


def test_a_newer_record_is_named(mixed):
    newer = f'"schema_version": {SCHEMA_VERSION + 1},'.encode()
    text = (mixed / "records/copy.json").read_bytes()
    (mixed / "records/z.json").write_bytes(text.replace(f'"schema_version": {SCHEMA_VERSION},'.encode(), newer))
    with pytest.raises(CannotReport, match=r"z\.json: schema version"):
        load_run(mixed)


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
    answers, tables = (r"## All comparisons.*?(?=## Figures)", r"## Tables.*?(?=## Each case)")
    for section in (answers, tables):
        assert re.search(section, text, re.DOTALL)[0] == re.search(section, whole_text, re.DOTALL)[0]
    assert re.findall(r"<b>[\d.]+×</b>", page)[:5] == re.findall(r"<b>[\d.]+×</b>", whole)[:5]


def test_a_case_takes_a_bounded_part_of_the_page(tmp_path, monkeypatch):
    """200 cases of 3 sides and their samples stay below 2 MB: a fifth of them in a fifth of the room."""
    monkeypatch.setattr(size_limits, "MOST_AT_A_GLANCE", size_limits.MOST_AT_A_GLANCE // 5)
    monkeypatch.setattr(size_limits, "SAMPLES", size_limits.SAMPLES // 5)
    monkeypatch.setattr(size_limits, "PAGE", size_limits.PAGE // 5)
    run = make_run([planned(step_case(batch_size=number + 1), [TORCH, TF, ONNX], 8) for number in range(40)])
    _, empty, _ = report_of(tmp_path / "empty", make_run(run.cases[:1]))
    _, page, _ = report_of(tmp_path / "r", run, steps=120)
    assert page.count("Raw samples: ") == 40
    assert 'id="samples"' in page
    # What every page has, however few its cases, is in the whole of it once.
    assert len(page.encode()) - len(empty.encode()) * 4 / 5 < size_limits.PAGE
