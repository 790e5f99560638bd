"""The profile `steps-2021` against the numbers that were published, cell by cell."""

import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import ROOT

from aggregator.published.numbers import Numbers, stored
from aggregator.published.source import FRAMEWORK, STEPS
from launcher.cli import main, read
from launcher.options import measured
from launcher.plan.draft import Draft, draft

Cell = tuple[str, ...]
"""The workload, device, network, size and batch of a published number, and its framework."""


@pytest.fixture(scope="module")
def published() -> Numbers:
    return next(numbers for numbers in stored() if numbers.source is STEPS)


@functools.cache
def drafted(device: str, *more: str) -> Draft:
    return draft(ROOT, measured(read(["plan", "--profile", "steps-2021", "--device", device, *more], ROOT)))


def sides(plan: Draft) -> Iterator[tuple[Cell, str]]:
    """The setting of every planned side, and its name."""
    for planned in plan.cases:
        setting = STEPS.setting(planned.case)
        assert setting, planned.case.label
        for competitor in planned.competitors:
            yield setting, competitor.label


@pytest.mark.parametrize(("device", "tables"), [("gpu", 2), ("cpu", 1)])
def test_every_published_cell_has_one_planned_side(published: Numbers, device: str, tables: int) -> None:
    plan = drafted(device)
    planned = Counter(
        (*STEPS.setting(one.case), theirs)  # type: ignore[misc]
        for one in plan.cases
        for competitor in one.competitors
        if (theirs := STEPS.theirs(competitor))
    )
    rows = published.rows[published.rows["device"] == device]
    cells = Counter(map(tuple, rows[[*STEPS.settings, FRAMEWORK]].astype(str).itertuples(index=False)))
    assert planned == cells
    assert set(planned.values()) == {1}
    assert len(planned) == 252 * tables
    assert not any(one.unavailable for one in plan.cases)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_no_side_is_planned_whose_setting_or_program_the_source_lacks(published: Numbers, device: str) -> None:
    plan, known = drafted(device), set(published.settings)
    assert {setting for setting, _ in sides(plan)} <= known
    theirs = {name for names in STEPS.ours.values() for name in names}
    more = Counter((setting[0], label) for setting, label in sides(plan) if label not in theirs)
    assert more == {("infer", "tensorflow/eager"): 84, ("infer", "onnxruntime/ort"): 84}
    for name, value in (STEPS.fixed | STEPS.noted).items():
        assert {getattr(one.case, name) for one in plan.cases} == {value}


def test_training_on_a_cpu_is_left_out_with_the_reason_unless_it_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plan", "--profile", "steps-2021", "--batches", "1"], ROOT) == 0
    text = capsys.readouterr().out
    reason = "left out: train, which this profile has on another device only; --workloads train,infer measures"
    assert reason in text
    assert "train resnet18" not in text
    asked = drafted("cpu", "--workloads", "train")
    assert (asked.elsewhere, drafted("gpu").elsewhere) == ("", "")
    assert len(list(sides(asked))) == 252


def test_the_published_files_are_the_three_of_the_source(published: Numbers) -> None:
    assert {path.name for path in Path(STEPS.paths[0]).parent.glob("step-times-2021-*.csv")} == set(STEPS.files)
    assert Counter(published.rows[["workload", "device"]].itertuples(index=False, name=None)) == {
        ("train", "gpu"): 252,
        ("infer", "gpu"): 252,
        ("infer", "cpu"): 252,
    }
