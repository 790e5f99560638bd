"""Two versions of a framework as competitors, in real environments with wheels that the test makes."""

import json
import re
import zipfile
from pathlib import Path

import pytest
from launcher_fakes import framework_tree

from launcher.cli import main

pytestmark = pytest.mark.timeout(180)

EVIDENCE = 'Check(trainable=1, non_trainable=0, weights_digest="sha256:0", logits_sketch=[1.0, 2.0])'
ROOT = Path(__file__).resolve().parents[2]


def write_wheel(folder: Path, version: str) -> None:
    """Write the distribution `fakelib` in a version: a module that knows its version."""
    folder.mkdir(exist_ok=True)
    info = f"fakelib-{version}.dist-info"
    with zipfile.ZipFile(folder / f"fakelib-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("fakelib.py", f"VERSION = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: fakelib\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with a framework pinned to 2.0; the index also has 1.0."""
    tree = framework_tree(tmp_path_factory.mktemp("tree"), body="import fakelib; assert fakelib.VERSION")
    for version in ("1.0", "2.0"):
        write_wheel(tree / "wheels", version)
    index = f"--no-index\n--find-links {tree / 'wheels'}\n"
    folder = tree / "images" / "fake"
    (folder / "requirements.txt").write_text(f"{index}fakelib==2.0\n")
    (folder / "requirements-version-cpu.txt").write_text(index + "fakelib==${FRAMEWORK_VERSION}\n")
    declaration = tree / "runners" / "fake" / "framework.py"
    declaration.write_text(declaration.read_text().replace("'fake', ()", "'fake', ('fakelib',)"))
    runner = tree / "runners" / "fake" / "infer.py"
    runner.write_text(runner.read_text().replace("Check(trainable=1)", EVIDENCE))
    for package in ("aggregator", "method"):
        (tree / package).symlink_to(ROOT / package)
    return tree


@pytest.fixture(scope="module")
def run(tree: Path) -> Path:
    """A run of three versions, of which only two exist."""
    words = ["--profile", "tiny", "--engine", "venv", "--frameworks", "fake@1.0,fake,fake@3.0"]
    assert main(["bench", *words], tree) == 1
    (folder,) = (path.parent for path in tree.glob("results/*/run.json"))
    return folder


def test_each_version_ran_from_an_environment_of_its_own(tree: Path, run: Path) -> None:
    records = [json.loads(path.read_bytes()) for path in sorted((run / "records").glob("*.json"))]
    found = {(one["competitor"]["version"], one["host"]["packages"]["fakelib"], one["status"]) for one in records}
    assert found == {("1.0", "1.0", "ok"), ("", "2.0", "ok")}
    assert len(records) == 4
    by_hand = next(one["command"] for one in records if one["competitor"]["version"])
    assert by_hand[0] == ".venvs/fake@1.0/bin/python"
    assert by_hand[by_hand.index("--framework-version") + 1] == "1.0"
    assert sorted(path.name for path in (tree / ".venvs").iterdir()) == ["fake", "fake@1.0"]


def test_a_missing_version_is_a_dash_with_the_installer_s_reason(run: Path) -> None:
    (case,) = json.loads((run / "run.json").read_bytes())["cases"]
    assert [one["version"] for one in case["competitors"]] == ["1.0", ""]
    (gone,) = case["unavailable"]
    assert (gone["competitor"]["version"], gone["kind"]) == ("3.0", "BUILD")
    assert "has no such version" in gone["reason"]
    assert "from versions: 1.0, 2.0" in gone["reason"]


def test_the_report_names_both(run: Path) -> None:
    # Without the mark that keeps Markdown from reading @1.0 as a user's name.
    text = (run / "report.md").read_text().replace("\u200b", "")
    pair = ("fake (only)", "fake 1.0 (only)")
    assert any(f"{one} compared with {other}" in text for one, other in (pair, pair[::-1]))
    assert re.match(r"# fake( 1\.0)?, fake", text)


def test_a_resumed_run_has_the_same_versions(tree: Path, run: Path) -> None:
    path = sorted((run / "records").glob("*fake_1_0*.json"))[0]
    path.unlink()
    assert main(["bench", "--run", run.name], tree) == 1
    assert json.loads(path.read_bytes())["competitor"]["version"] == "1.0"


def test_an_environment_with_a_wrong_version_makes_an_invalid_record(tree: Path, run: Path) -> None:
    """If a user installs another version by hand, the replicate is invalid and not a time of the wrong version."""
    site = next((tree / ".venvs" / "fake@1.0").glob("lib/python*/site-packages"))
    before = site / "fakelib-1.0.dist-info" / "METADATA"
    text = before.read_text()
    before.write_text(text.replace("Version: 1.0", "Version: 2.0"))
    path = sorted((run / "records").glob("*b001-fake_1_0*.json"))[0]
    path.unlink()
    main(["bench", "--run", run.name], tree)
    before.write_text(text)
    record = json.loads(path.read_bytes())
    assert (record["status"], record["error"]["kind"]) == ("invalid", "VERSION")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("fake@", "like fake@2.16.2"),
        ("fake@nonsense!", "like fake@2.16.2"),
        ("fake@1.0/../..", "like fake@2.16.2"),
        ("fkae@1.0", "did you mean fake?"),
    ],
)
def test_an_invalid_version_is_a_usage_error(
    tree: Path, program: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("plan", "images", "doctor"):
        assert main([command, "--engine", "venv", "--frameworks", program], tree) == 2
        assert words in capsys.readouterr().err


def test_a_framework_with_only_its_pinned_version_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = framework_tree(tmp_path)
    assert main(["bench", "--profile", "tiny", "--frameworks", "fake@1.0"], tree) == 2
    assert "images/fake/requirements-version.txt" in capsys.readouterr().err
    assert not (tree / "results").exists()
