"""The method end to end, real processes of a fake framework: pilots, added blocks, A/A, audit, recomputation."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from launcher_fakes import framework_tree

from launcher.cli import main

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = 'Check(trainable=1, non_trainable=0, weights_digest="sha256:0", logits_sketch=[1.0, 2.0])'
PROFILE = """
description = "one case, adaptive, with pilots"
blocks = 3
timeout = 60
pilots = 2

[stopping]
most_blocks = 12
every = 1
half_width = 0.000001

[sampling]
warmup_steps = 1
min_steps = 20
max_steps = 60
min_seconds = 0.0

[[cases]]
workload = "infer"
network = "cnn4"
input_size = 32
batch_size = 4
"""


TURNS = "sum(range(20_000 * (1 + ('A' in sys.argv) ^ int(sys.argv[sys.argv.index('--block') + 1]) % 2)))"
"""The labels take turns at being twice as slow, so that no number of blocks decides."""


def method_tree(root: Path, body: str) -> Path:
    """A tree with a fake framework, the real aggregator, and a profile with a stopping rule."""
    tree = framework_tree(root, body=body)
    runner = tree / "runners" / "fake" / "infer.py"
    runner.write_text(runner.read_text().replace("Check(trainable=1)", EVIDENCE))
    (tree / "profiles" / "tiny.toml").write_text(PROFILE)
    for package in ("aggregator", "method"):
        (tree / package).symlink_to(ROOT / package)
    return tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return method_tree(tmp_path_factory.mktemp("tree"), "sum(range(20_000))")


def bench(tree: Path, *more: str) -> Path:
    """The folder of a run with one program under two labels."""
    words = ["--profile", "tiny", "--engine", "venv", "--aa", "--out", str(tree / "-".join(["out", *more]))]
    assert main(["bench", *words, *more], tree) == 0
    (found,) = (path.parent for path in Path(words[-1]).glob("*/run.json"))
    return found


@pytest.fixture(scope="module")
def run(tree: Path) -> Path:
    """A run in which the second label takes twice as long."""
    return bench(tree, "--slowdown", "2")


def records(folder: Path) -> list[dict[str, dict[str, object]]]:
    return [json.loads(path.read_bytes()) for path in sorted((folder / "records").glob("*.json"))]


def aggregator(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "aggregator", *words], cwd=ROOT, capture_output=True, text=True)


def test_pilots_decide_the_warm_up_of_every_replicate(run: Path) -> None:
    (planned,) = json.loads((run / "run.json").read_bytes())["cases"][0]["warmups"]
    assert len(records(run / "pilots")) == len(planned["pilots"]) == 2
    assert {record["samples"]["warmup_steps"] for record in records(run)} == {planned["warmup_steps"]}


def test_blocks_are_added_until_the_slower_label_is_named(run: Path) -> None:
    added = json.loads((run / "run.json").read_bytes())["extensions"]
    assert set(added) <= {0}
    assert len(records(run)) == 2 * (3 + len(added)) < 24


def test_the_record_says_that_a_label_was_slowed(run: Path) -> None:
    slowed = {(record["competitor"]["alias"], record["samples"]["injected_slowdown"]) for record in records(run)}
    assert slowed == {("A", 1.0), ("B", 2.0)}


def test_the_audit_proves_the_run(run: Path) -> None:
    done = aggregator("audit", str(run))
    assert done.returncode == 0, done.stdout
    assert "FAILED" not in done.stdout


def test_the_audit_fails_when_a_record_is_moved(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "run.json").write_bytes((run / "run.json").read_bytes())
    for part in ("records", "pilots/records"):
        (copy / part).mkdir(parents=True)
        for path in (run / part).glob("*.json"):
            (copy / part / path.name).write_bytes(path.read_bytes())
    first, second = sorted((copy / "records").glob("*-b002-*.json"))
    one, other = json.loads(first.read_bytes()), json.loads(second.read_bytes())
    one["block"], other["block"] = other["block"], one["block"]
    first.write_text(json.dumps(one))
    second.write_text(json.dumps(other))
    done = aggregator("audit", str(copy))
    assert done.returncode == 1
    assert "FAILED" in done.stdout


def test_the_recomputation_finds_the_slowdown(run: Path) -> None:
    """Wide bounds, because no disturbance hides a factor of two."""
    script = [sys.executable, str(ROOT / "docs" / "recompute.py"), str(run)]
    (line,) = subprocess.run(script, capture_output=True, text=True, check=True).stdout.splitlines()
    assert line.endswith(" blocks: fake/only:A is faster")
    names, ratio = line.partition(" (")[0].rsplit(" ", 1)
    assert names.endswith("fake/only:A compared with fake/only:B:")
    assert 1.4 < float(ratio) < 2.8


def test_the_report_says_which_label_was_slowed(run: Path) -> None:
    assert "One label was slowed down by 2×" in (run / "report.md").read_text()


def test_a_run_that_ended_undecided_is_continued_and_the_audit_replays_it(tmp_path: Path) -> None:
    tree = method_tree(tmp_path, TURNS)
    profile = tree / "profiles" / "tiny.toml"
    profile.write_text(PROFILE.replace("most_blocks = 12", "most_blocks = 3"))
    run = bench(tree)
    assert len(records(run)) == 6
    assert json.loads((run / "run.json").read_bytes())["state"] == "complete"
    assert main(["bench", "--run", run.name, "--out", str(run.parent), "--budget", "10s"], tree) == 0
    plan = json.loads((run / "run.json").read_bytes())
    assert plan["continued"] == [0]
    assert len(records(run)) == 2 * (3 + len(plan["extensions"])) > 6
    done = aggregator("audit", str(run))
    assert done.returncode == 0, done.stdout
    assert "1 time after it had ended" in done.stdout
    assert "continued 1 time" in (run / "report.md").read_text()
