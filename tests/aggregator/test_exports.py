"""What a report says about exports."""

import dataclasses
import re

import pytest
from make_records import TF, TORCH, export_case, make_run, planned, scheduled, write_folder

from aggregator.cli import main
from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import LoadedRun
from method.verdict import Verdict
from runners.harness.record import Record

CASE = export_case()


def slower(_, who):
    return 9.0 if who == TORCH else 4.5


def analysed(run, records):
    return analyse([LoadedRun("run", run, records, [])])[0].cases


@pytest.fixture
def run():
    return make_run([planned(CASE, [TORCH, TF], 8)])


def test_the_page_says_exports_and_seconds_and_never_images(run, tmp_path):
    folder = write_folder(tmp_path / "run", run, scheduled(run, slower))
    assert main(["report", str(folder)]) == 0
    text = (folder / "report.md").read_text()
    assert re.search(r"tensorflow \(graph\) exports resnet18 \*\*\S+ times as fast\*\* as pytorch \(eager\)", text)
    assert "exports/s" in text
    assert "s an export" in text
    assert not re.search("images|per image", text)
    [row] = [line for line in text.splitlines() if line.startswith("| resnet18 | onnx")]
    assert row.count("44.7 MiB") == 2
    assert row.count("6.0e-07") == 2


def test_the_fastest_of_two_batch_sizes_is_named_with_its_duration(tmp_path):
    cases = [export_case(), dataclasses.replace(export_case(), batch_size=8)]
    run = make_run([planned(case, [TORCH, TF], 8) for case in cases])
    folder = write_folder(tmp_path / "run", run, scheduled(run, slower))
    assert main(["report", str(folder)]) == 0
    text = (folder / "report.md").read_text()
    assert "tensorflow exports fastest at batch" in text


@pytest.mark.parametrize(
    "change",
    [{"logits_sketch": [1.0, 2.0, 3.1]}, {"export_difference": None}, {"file_bytes": None}],
)
def test_exports_of_other_work_are_not_ranked(run, change):
    def changed(record: Record) -> Record:
        if record.competitor != TF or record.check is None:
            return record
        return dataclasses.replace(record, check=dataclasses.replace(record.check, **change))

    [case] = analysed(run, [changed(record) for record in scheduled(run, slower)])
    assert [found.verdict for found in case.comparisons] == [Verdict.NOT_COMPARABLE]
