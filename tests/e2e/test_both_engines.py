"""The whole path with the real frameworks: every smoke case once, on each engine, to a report."""

import importlib
import json
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from runners.harness.agreement import relative_error

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = sorted(folder.name for folder in (ROOT / "images").iterdir() if folder.is_dir())
FEWER = {"venv": ["--variants", "eager,graph,tuned"], "docker": []}
"""Every variant runs once end to end, in the images, which have all that they need; in virtual environments
tests/runners runs them."""
COMPILED = {"compile", "compile_channels_last", "tuned"}
"""Variants that need a C++ compiler, which images bring and a machine may lack."""


@pytest.fixture(
    scope="module",
    params=[pytest.param("venv", marks=pytest.mark.venvs), pytest.param("docker", marks=pytest.mark.docker)],
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """(engine, folder of a finished run): `bench --profile smoke` with one block a case."""
    out = tmp_path_factory.mktemp(f"results-{request.param}")
    command = [sys.executable, "-m", "launcher", "bench", "--profile", "smoke", "--blocks", "1"]
    ended = subprocess.run(
        [*command, "--engine", request.param, "--out", str(out), *FEWER[request.param]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2400,
    )
    assert ended.returncode == 0, ended.stderr[-4000:] + ended.stdout[-2000:]
    (folder,) = (path.parent for path in out.glob("*/run.json"))
    assert ended.stdout.rstrip().endswith(str(folder / "report.html"))
    return request.param, folder


@pytest.fixture(scope="module")
def records(run: tuple[str, Path]) -> list[dict]:
    return [json.loads(path.read_bytes()) for path in sorted((run[1] / "records").iterdir())]


def measured(records: list[dict]) -> list[dict]:
    return [record for record in records if record["status"] == "ok"]


def test_every_planned_replicate_left_a_record(run, records):
    planned = json.loads((run[1] / "run.json").read_bytes())
    assert planned["state"] == "complete"
    assert len(records) == sum(len(case["competitors"]) * case["blocks"] for case in planned["cases"])
    assert {record["status"] for record in records} <= {"ok", "unsupported"}
    assert {record["competitor"]["framework"] for record in records} == set(FRAMEWORKS)
    assert {record["case"]["workload"] for record in records} == {"train", "infer", "roof", "load", "fit"}
    assert {record["competitor"]["loader"] for record in records} == {
        "",
        "torch",
        "spdl",
        "spdl_process",
        "opencv",
        "tfdata",
    }


def test_every_variant_ran_or_says_what_it_lacks(run, records):
    """No variant is left out of a smoke run; one that needs what is not here says so."""
    wanted = FEWER[run[0]][-1].split(",") if FEWER[run[0]] else None
    declared = {
        (framework, variant)
        for framework in FRAMEWORKS
        for variant in importlib.import_module(f"runners.{framework}.framework").FRAMEWORK.workloads["infer"].variants
        if wanted is None or variant in wanted
    }
    inferred = [record for record in records if record["case"]["workload"] == "infer"]
    assert {(one["competitor"]["framework"], one["competitor"]["variant"]) for one in inferred} == declared
    lacking = [record for record in records if record["status"] == "unsupported"]
    assert all(record["error"]["message"] for record in lacking)
    assert {one["competitor"]["variant"] for one in lacking} <= COMPILED | {"graph_v1"}


def test_what_was_asked_for_is_in_effect(records):
    cpus = len(os.sched_getaffinity(0))
    for record in measured(records):
        assert record["effective"]["device"] == "cpu"
        assert record["effective"]["visible_cpus"] == cpus
        if record["case"]["workload"] != "load":
            assert record["effective"]["threads_intra"] == cpus


def test_image_ids_and_versions_are_in_every_record(run, records):
    for record in measured(records):
        host = record["host"]
        assert host["engine"] == run[0]
        assert (host["image_id"] or "").startswith("sha256:") == (run[0] == "docker")
        pins = (ROOT / "images" / record["competitor"]["framework"] / "requirements.txt").read_text().split()
        pinned = dict(line.split("==") for line in pins if "==" in line)
        assert {name: pinned[name] for name in ("numpy", "pillow")}.items() <= host["packages"].items()


def test_frameworks_computed_the_same(records):
    """Weights, parameter counts and logits agree between the competitors of every case with a network."""
    cases: dict[str, list[dict]] = {}
    for record in measured(records):
        if record["case"]["network"] and record["check"]["logits_sketch"]:
            cases.setdefault(json.dumps(record["case"], sort_keys=True), []).append(record["check"])
    assert len(cases) == 5
    for checks in cases.values():
        assert len(checks) >= 2
        for one, other in combinations(checks, 2):
            assert one["weights_digest"] == other["weights_digest"]
            assert (one["trainable"], one["non_trainable"]) == (other["trainable"], other["non_trainable"])
            assert relative_error(one["logits_sketch"], other["logits_sketch"]) <= 1e-4


def test_every_loader_delivered_every_image_once_with_the_reference_s_pixels(records):
    loaded = [record for record in records if record["case"]["workload"] == "load"]
    assert len(loaded) == 11
    for record in loaded:
        assert record["check"]["delivered_items"] == record["case"]["dataset"]["items"]
        assert record["check"]["pixel_mean_difference"] <= 0.5
        assert record["check"]["pixel_worst_image"] <= 2.0


def test_the_restored_model_is_the_trained_one(run, records):
    """Of three loaders; chosen variants bring `tuned` beside the usual one."""
    fitted = [record for record in records if record["case"]["workload"] == "fit"]
    assert len(fitted) == (6 if FEWER[run[0]] else 3)
    for record in fitted:
        assert record["check"]["accuracy"] == record["check"]["accuracy_restored"]
        assert [epoch["epoch"] for epoch in record["history"]] == [0]
        assert set(record["samples"]["stage_ns"]) == {"load", "build", "train", "save", "restore", "evaluate"}


def test_the_report_is_there_and_claims_no_winner(run):
    page, text = (run[1] / "report.html").read_text(), (run[1] / "report.md").read_text()
    answer = text.partition("## The answer")[2].partition("## Figures")[0]
    assert answer.count("too few blocks") >= 8
    assert "is faster" not in answer
    assert "is faster" not in page.partition('id="answer"')[2].partition('id="figures')[0]
    assert page.count("<script") == 3, "the page's data, its samples and its own script"
    assert list((run[1] / "figures").glob("*.svg"))


def test_no_container_or_process_is_left(run):
    if run[0] == "docker":
        command = ["docker", "ps", "-aq", "--filter", f"label=levelfield.run={run[1].name}"]
    else:
        command = ["pgrep", "-f", f"run-id {run[1].name}"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == ""
