"""Which frameworks take part: those that need no naming, those that are named, or all."""

from pathlib import Path

import pytest

from launcher.cli import read
from launcher.errors import UsageError
from launcher.options import measured
from launcher.plan.discovery import Contestant, choose
from runners.harness.workload import Framework, Workload

INFER = {"infer": Workload(("usual",))}
FOUND = {
    "plain": Contestant("plain", Framework("plain", (), INFER)),
    "rare": Contestant("rare", Framework("rare", (), INFER, by_name=True)),
    "silent": Contestant("silent", None, "it did not answer"),
}


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ([], ["plain", "silent"]),
        (["rare"], ["rare"]),
        (["all"], ["plain", "rare", "silent"]),
        (["plain", "all"], ["plain", "rare", "silent"]),
    ],
)
def test_a_framework_by_name_takes_part_where_it_is_named_or_all_are(tmp_path: Path, wanted, chosen) -> None:
    assert list(choose(tmp_path, FOUND, wanted)) == chosen


def test_all_may_have_a_chosen_version_beside_the_pinned_one(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "plain"
    folder.mkdir(parents=True)
    (folder / "requirements-version.txt").write_text("plain==${FRAMEWORK_VERSION}\n")
    found = choose(tmp_path, FOUND, ["all", "plain@1.2"])
    assert list(found) == ["plain", "plain@1.2", "rare", "silent"]
    assert found["plain@1.2"].version == "1.2"


def test_a_typo_is_told_with_what_is_near(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"unknown framework 'rear'; known: all, plain, rare, silent; did you mean rare"
    ):
        choose(tmp_path, FOUND, ["rear"])


@pytest.mark.parametrize("frameworks", ["all", "plain,rare"])
def test_an_a_a_check_takes_one_framework(tmp_path: Path, frameworks: str) -> None:
    given = read(["bench", "--aa", "--frameworks", frameworks], tmp_path)
    with pytest.raises(UsageError, match="one framework under two labels"):
        measured(given)
