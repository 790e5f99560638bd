"""A new framework: two new folders, and no other change, are enough for a report."""

from pathlib import Path

import pytest
from launcher_fakes import framework_tree

from launcher.cli import main

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = 'Check(trainable=1, non_trainable=0, weights_digest="sha256:0", logits_sketch=[1.0, 2.0])'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with two fake frameworks and the real aggregator."""
    for name in ("resident", "newcomer"):
        framework_tree(tmp_path, name)
        runner = tmp_path / "runners" / name / "infer.py"
        runner.write_text(runner.read_text().replace("Check(trainable=1)", EVIDENCE))
    for package in ("aggregator", "method"):
        (tmp_path / package).symlink_to(ROOT / package)
    profile = (tmp_path / "profiles" / "tiny.toml").read_text().replace("blocks = 2", "blocks = 8")
    (tmp_path / "profiles" / "tiny.toml").write_text(profile)
    return tmp_path


def test_the_framework_is_planned_measured_compared_and_reported(tree: Path, capfd: pytest.CaptureFixture[str]):
    assert main(["bench", "--profile", "tiny", "--engine", "venv"], tree) == 0
    (run,) = (path.parent for path in (tree / "results").glob("*/run.json"))
    assert len(list((run / "records").iterdir())) == 16
    text = (run / "report.md").read_text()
    assert "newcomer (only)" in text
    assert "resident (only)" in text
    answer = text.partition("## All comparisons")[2].partition("## Figures")[0]
    assert "not comparable" not in answer
    assert "too few blocks" not in answer
    assert capfd.readouterr().out.rstrip().endswith("report.html")
