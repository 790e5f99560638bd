"""docs/recompute.py, which shares no code with the project, rebuilds what the report says."""

import dataclasses
import math
import re
import runpy
import sys
from pathlib import Path

import pytest
from make_records import (
    TF,
    TFDATA,
    TORCH,
    TORCH_LOADER,
    export_case,
    make_run,
    planned,
    roof_case,
    scheduled,
    write_folder,
)
from varied_run import CLEAR, LOAD, seconds, varied_records, varied_run

from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import load_run
from aggregator.report.answers import turned
from method.compare import ANYTIME, ratio
from method.verdict import Verdict
from runners.harness.run import Stopping

SCRIPT = Path(__file__).parents[2] / "docs/recompute.py"
LINE = re.compile(
    r".*: (?P<fast>\S+) compared with \S+: (?P<ratio>\S+) \((?P<low>[^-]+)-(?P<high>\S+)\) times as fast, "
    r"(?P<n>\d+) blocks: (?P<verdict>.*)"
)


@pytest.fixture
def recomputed(monkeypatch, capsys):
    """What the script prints for a folder."""

    def run(folder):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(folder)])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return [LINE.fullmatch(line) for line in capsys.readouterr().out.splitlines()]

    return run


def reported(folder):
    return [found for env in analyse([load_run(folder)]) for case in env.cases for found in case.comparisons]


def verdicts(lines):
    return [line["verdict"] for line in lines]


def expected(found):
    """The verdict as the script says it."""
    return f"{found.winner.label} is faster" if found.winner else found.verdict.value


@pytest.mark.parametrize("stopping", [None, Stopping(most_blocks=30, every=2, half_width=0.02)])
def test_every_ratio_interval_and_verdict_is_rebuilt(tmp_path, recomputed, stopping):
    run = varied_run(stopping)
    folder = write_folder(tmp_path / "r", run, varied_records(run))
    lines, found = recomputed(folder), reported(folder)
    assert verdicts(lines) == [expected(one) for one in found]
    assert {one.verdict for one in found} >= set(Verdict)
    for line, one in zip(lines, found, strict=True):
        assert int(line["n"]) == (one.paired.n if one.paired else 0)
        if one.paired and one.paired.low is not None:
            shown, _, fast = turned(one)
            assert line["fast"] == fast.label
            logs = (shown.log_ratio, shown.low, shown.high)
            for text, log in zip((line["ratio"], line["low"], line["high"]), logs, strict=True):
                assert math.isclose(float(text), ratio(log), abs_tol=6e-5)


def test_a_changed_record_changes_what_is_rebuilt(tmp_path, recomputed):
    run = make_run([planned(CLEAR, [TORCH, TF], 8)])
    records = scheduled(run, seconds, scatter=0.008)
    before = recomputed(write_folder(tmp_path / "a", run, records))
    slow = [
        dataclasses.replace(one, samples=dataclasses.replace(one.samples, step_ns=[t * 2 for t in one.samples.step_ns]))
        if one.competitor == TORCH
        else one
        for one in records
    ]
    after = recomputed(write_folder(tmp_path / "b", run, slow))
    assert verdicts(before) == ["pytorch/eager is faster"]
    assert verdicts(after) == ["tensorflow/graph is faster"]


def test_without_its_plan_a_run_is_held_to_the_stricter_level(tmp_path, recomputed):
    run = make_run([planned(CLEAR, [TORCH, TF], 8), planned(LOAD, [TORCH_LOADER, TFDATA], 8)])
    folder = write_folder(tmp_path / "r", None, scheduled(run, seconds, scatter=0.008))
    assert sorted(verdicts(recomputed(folder))) == sorted(expected(one) for one in reported(folder))
    assert {(one.paired.design, one.paired.anytime) for one in reported(folder)} == {(ANYTIME, True)}


def test_the_machines_limits_are_compared_by_medians_there_too(tmp_path, recomputed):
    def with_slow_steps(record):
        steps = [time * (9 if index % 7 == 3 else 1) for index, time in enumerate(record.samples.step_ns)]
        return dataclasses.replace(record, samples=dataclasses.replace(record.samples, step_ns=steps))

    run = make_run([planned(roof_case("copy"), [TORCH, TF], 8)])
    folder = write_folder(tmp_path / "r", run, [with_slow_steps(one) for one in scheduled(run, seconds, scatter=0.004)])
    (line,), (found,) = recomputed(folder), reported(folder)
    assert line["verdict"] == expected(found) == "pytorch/eager is faster"
    assert math.isclose(float(line["ratio"]), ratio(found.paired.log_ratio), abs_tol=6e-5)


def test_exports_are_compared_by_their_whole_time_there_too(tmp_path, recomputed):
    run = make_run([planned(export_case(), [TORCH, TF], 8)])
    folder = write_folder(tmp_path / "r", run, scheduled(run, seconds, scatter=0.004))
    (line,), (found,) = recomputed(folder), reported(folder)
    assert line["verdict"] == expected(found) == "pytorch/eager is faster"
    assert math.isclose(float(line["ratio"]), ratio(found.paired.log_ratio), abs_tol=6e-5)


def test_two_versions_of_one_framework_are_two_programs_there_too(tmp_path, recomputed):
    versions = [dataclasses.replace(TF, version=version) for version in ("2.16.2", "2.21.0")]
    run = make_run([planned(CLEAR, versions, 8)])
    folder = write_folder(tmp_path / "r", run, scheduled(run, lambda _, who: 0.05 * (1.2 if who == versions[0] else 1)))
    assert verdicts(recomputed(folder)) == ["tensorflow@2.21.0/graph is faster"]
    assert [one.winner.competitor for one in reported(folder)] == [versions[1]]


@pytest.mark.parametrize("arguments", [[], ["none"], ["{}", "{}"], ["{}/run.json"]])
def test_what_is_no_run_is_said(tmp_path, monkeypatch, capsys, arguments):
    run = make_run([planned(CLEAR, [TORCH, TF], 1)])
    folder = str(write_folder(tmp_path / "r", run, scheduled(run)))
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *(one.format(folder) for one in arguments)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert stopped.value.code == 2
    assert "give one run's folder" in capsys.readouterr().err
