"""An axis is declared once: in a copy of the project with a new axis, every part knows it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from launcher_fakes import framework_tree

ROOT = Path(__file__).resolve().parents[2]
DECLARATION = """
    repeats: int | None = axis(
        "how often a batch goes through", {"infer": 1}, "{} times", unsaid=1, option="repeats", chosen_for=("infer",)
    )
    dataset: DatasetRef | None = None
"""
PROFILE = """
description = "a case with the axis"
blocks = 2
timeout = 60

[sampling]
warmup_steps = 1
min_steps = 3
max_steps = 3
min_seconds = 0.0

[[cases]]
workload = "infer"
network = "cnn4"
input_size = 32
batch_size = 4
repeats = [1, 3]
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a new axis, a framework that checks its value, and a profile that uses it."""
    tree = framework_tree(tmp_path_factory.mktemp("axis"), body="assert CASES[0].repeats in (1, 3, 5)")
    case = tree / "runners" / "harness" / "case.py"
    case.write_text(case.read_text().replace("\n    dataset: DatasetRef | None = None\n", DECLARATION))
    runner = tree / "runners" / "fake" / "infer.py"
    declared = tree / "runners" / "fake" / "framework.py"
    other = framework_tree(tree, "other") / "runners" / "other" / "framework.py"
    other.write_text(declared.read_text().replace("'fake'", "'other'"))
    declared.write_text(declared.read_text().replace("scopes=", "takes=('repeats',), scopes="))
    keep = "CASES = []\n\n\ndef prepare(request):\n    CASES.append(request.case)\n"
    runner.write_text(runner.read_text().replace("def prepare(request):\n", keep))
    for package in ("launcher", "aggregator", "method"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "profiles" / "tiny.toml").write_text(PROFILE)
    return tree


def python(tree: Path, *words: str, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": "", **variables}
    done = subprocess.run([sys.executable, "-m", *words], cwd=tree, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def run(tree: Path) -> Path:
    python(
        tree, "launcher", "bench", "--profile", "tiny", "--engine", "venv", "--frameworks", "fake", "--out", "results"
    )
    (found,) = (tree / "results").iterdir()
    return found


def test_the_runner_has_the_option(tree: Path) -> None:
    assert "how often a batch goes through (infer); default 1" in " ".join(
        python(tree, "runners.fake", "--help").split()
    )
    python(tree, "runners.fake", "infer", "--repeats", "5", "--min-steps", "1", "--min-seconds", "0", "--out", "own")
    (record,) = (tree / "own").glob("*.json")
    assert json.loads(record.read_text())["case"]["repeats"] == 5


def test_make_has_the_variable(tree: Path) -> None:
    assert "REPEATS=          infer: how often a batch goes through" in python(tree, "runners.harness.variables")
    words = ("launcher", "plan", "--profile", "tiny", "--make", "REPEATS")
    planned = python(tree, *words, REPEATS="5")
    assert "5 times" in planned
    assert "3 times" not in planned


def test_a_profile_has_the_key_and_a_label_the_value(tree: Path, run: Path) -> None:
    labels = {record["case"]["repeats"] for record in map(json.loads, (p.read_text() for p in records(run)))}
    assert labels == {1, 3}
    planned = python(tree, "launcher", "plan", "--profile", "tiny")
    assert "infer cnn4 32 px batch 4 cpu " in planned
    assert "infer cnn4 32 px batch 4 3 times cpu " in planned


def test_a_framework_that_does_not_take_it_is_left_out_of_other_than_usual_cases(tree: Path) -> None:
    planned = python(tree, "launcher", "plan", "--profile", "tiny")
    usual, _, three_times = planned.partition("3 times")
    assert "other/only" in usual
    assert "other/only - UNSUPPORTED: does not declare repeats 3 for infer" in " ".join(three_times.split())
    words = ("infer", "--repeats", "3", "--out", "own")
    done = subprocess.run([sys.executable, "-m", "runners.other", *words], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--repeats 3" in done.stderr


def records(run: Path) -> list[Path]:
    return sorted((run / "records").glob("*.json"))


def test_a_report_shows_the_axis_and_filters_by_it(run: Path) -> None:
    text, page = (run / "report.md").read_text(), (run / "report.html").read_text()
    assert "32 px, batch 4, 3 times" in text
    assert '"repeats": "3"' in page or '"repeats":"3"' in page


def test_exports_have_the_column(tree: Path, run: Path) -> None:
    python(tree, "aggregator", "export", str(run), "--format", "csv", "--out", "tables")
    (table,) = (tree / "tables").glob("*replicates*.csv")
    rows = list(csv.DictReader(table.open()))
    assert {row["repeats"] for row in rows} == {"1", "3"}
