"""docs/recompute.py, which shares no code with the project, rebuilds what the report says."""

import dataclasses
import math
import re
import runpy
import sys
from pathlib import Path

import pytest
from make_records import (
    HEALTH,
    SPDL,
    TF,
    TF_FIT,
    TFDATA,
    TORCH,
    TORCH_FIT,
    TORCH_LOADER,
    failed,
    fit_case,
    load_case,
    make_run,
    planned,
    scheduled,
    step_case,
    write_folder,
)

from aggregator.analysis import analyse
from aggregator.load import load_run
from method.compare import ratio
from method.verdict import Verdict
from runners.harness.record import Status
from runners.harness.run import Stopping, Unavailable

SCRIPT = Path(__file__).parents[2] / "docs/recompute.py"
LINE = re.compile(r".*: \S+ / \S+ (?P<ratio>\S+) \((?P<low>[^-]+)-(?P<high>\S+)\), (?P<n>\d+) blocks: (?P<verdict>.*)")
A, B = (dataclasses.replace(TORCH, alias=alias) for alias in "AB")
FACTORS = {TF: 1.2, SPDL: 1.1, TFDATA: 0.8, TF_FIT: 1.4}
CLEAR, NEAR, NOISY, SHORT = (step_case("cnn4", batch) for batch in (1, 2, 4, 8))
BUSY, DRIFTING, WRONG, SLOW, CUT = (step_case("resnet18", batch) for batch in (1, 2, 4, 8, 16))
LOAD, FIT, SELF = load_case(), fit_case(), step_case("mlp", 2)


def varied_run(stopping=None):
    """A run with every verdict there is."""
    pairs = [(case, [TORCH, TF], 10) for case in (CLEAR, NEAR, NOISY, BUSY, DRIFTING, WRONG, SLOW, CUT)]
    pairs += [(SHORT, [TF, TORCH], 5), (LOAD, [TORCH_LOADER, SPDL, TFDATA], 9)]
    pairs += [(FIT, [TORCH_FIT, TF_FIT], 9), (SELF, [A, B], 12)]
    cases = [planned(case, competitors, blocks) for case, competitors, blocks in pairs]
    cases[-2] = dataclasses.replace(cases[-2], unavailable=[Unavailable(SPDL, "UNSUPPORTED", "not here")])
    return dataclasses.replace(make_run(cases), stopping=stopping)


def seconds(case, who):
    near = {NEAR: 1.0, NOISY: 1.03, SELF: 1.0}
    return 0.05 * near.get(case, FACTORS.get(who, 1.0)) if who == TF else 0.05 * FACTORS.get(who, 1.0)


def varied_records(run):
    noisy = {record.record_id: record for record in scheduled(run, seconds, scatter=0.1)}
    return [
        spoilt(noisy[record.record_id] if record.case == NOISY else record)
        for record in scheduled(run, seconds, scatter=0.008)
    ]


def spoilt(record):
    samples = record.samples
    if record.case == BUSY and record.competitor == TF and record.block.number == 3:
        return dataclasses.replace(record, health=dataclasses.replace(HEALTH, steal_fraction=0.07))
    if record.case == CUT and record.competitor == TORCH and record.block.number == 8:
        return dataclasses.replace(record, health=dataclasses.replace(HEALTH, throttled_periods=2))
    if record.case == DRIFTING and record.competitor == TORCH and record.block.number < 3:
        rising = [int(time * (1 + index / 1000)) for index, time in enumerate(samples.step_ns)]
        return dataclasses.replace(record, samples=dataclasses.replace(samples, step_ns=rising))
    if record.case == WRONG and record.block.number == 9 and record.competitor == TF:
        return failed(record, Status.INVALID, "NUMBERS", "logits are not finite")
    if record.case == SLOW and record.competitor == TF:
        return failed(record, Status.OOM, "OOM(host)", "killed")
    return record


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


@pytest.mark.parametrize("stopping", [None, Stopping(most_blocks=30, every=2, half_width=0.02)])
def test_every_ratio_interval_and_verdict_is_rebuilt(tmp_path, recomputed, stopping):
    run = varied_run(stopping)
    folder = write_folder(tmp_path / "r", run, varied_records(run))
    lines, found = recomputed(folder), reported(folder)
    assert verdicts(lines) == [one.verdict.value for one in found]
    assert set(verdicts(lines)) >= set(Verdict)
    for line, one in zip(lines, found, strict=True):
        assert int(line["n"]) == (one.paired.n if one.paired else 0)
        if one.paired and one.paired.low is not None:
            logs = (one.paired.log_ratio, one.paired.low, one.paired.high)
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
    assert verdicts(before) == ["slower"]
    assert verdicts(after) == ["faster"]


def test_without_its_plan_a_run_is_held_to_the_stricter_level(tmp_path, recomputed):
    run = make_run([planned(CLEAR, [TORCH, TF], 8), planned(LOAD, [TORCH_LOADER, TFDATA], 8)])
    folder = write_folder(tmp_path / "r", None, scheduled(run, seconds, scatter=0.008))
    assert sorted(verdicts(recomputed(folder))) == sorted(one.verdict.value for one in reported(folder))
    assert {one.paired.alpha for one in reported(folder)} == {0.035}
