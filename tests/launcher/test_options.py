"""Each command takes its own options, from the command line or from variables of make, and refuses all others."""

from pathlib import Path

import pytest

from launcher.cli import main, read
from launcher.options import measured


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("clean --epochs 3", "unknown option of clean '--epochs'; known: --images, --out, --results, --venvs"),
        ("images --blocks 3", "unknown option of images '--blocks'; known: --base-image, --device, --engine"),
        ("doctor --data photos", "unknown option of doctor '--data'"),
        ("data --device gpu", "unknown option of data '--device'; known: --data, --strict"),
        ("plan --run 1", "unknown option of plan '--run'"),
        ("bench --epohcs=3", "unknown option of bench '--epohcs'"),
        ("bench --epohcs 3", "did you mean --epochs?"),
        ("bench --epochs", "--epochs: expected one argument"),
        ("bnech", "'bnech'"),
    ],
)
def test_an_option_that_a_command_does_not_have_is_refused(
    tmp_path: Path, line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split(), tmp_path) == 2
    assert words in capsys.readouterr().err


def test_variables_of_make_stand_for_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "NETWORKS": "vgg16,cnn4",
        "DATA": "-my photos",
        "BLOCKS": "3",
        "EPOCHS": "",
        "SEED": "7",
    }.items():
        monkeypatch.setenv(name, value)
    given = measured(read(["bench", "--blocks", "5", "--make", "NETWORKS DATA BLOCKS"], tmp_path))
    assert (given.overrides, given.data, given.blocks, given.seed) == (
        {"networks": ["vgg16", "cnn4"]},
        "-my photos",
        5,
        7,
    )
    assert given.given == {"networks": "vgg16,cnn4", "data": "-my photos", "blocks": "5", "seed": "7"}


def test_variables_are_taken_from_make_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKS", "3")
    monkeypatch.setenv("EXTRA_INDEX", "https://one.example/simple")
    given = measured(read(["bench"], tmp_path))
    assert (given.blocks, given.extra_index) == (None, "https://one.example/simple")


def test_a_variable_of_the_environment_that_a_command_does_not_have_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKS", "3")
    monkeypatch.setenv("FRAMEWORKS", "all")
    assert read(["images", "--make", ""], tmp_path).frameworks == ["all"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            ["images", "--make", "DEVICE BLOCKS"],
            "unknown variable of images 'BLOCKS'; known: BASE_IMAGE, DEVICE, ENGINE",
        ),
        (["bench", "--make", "NETWROKS"], "did you mean NETWORKS?"),
        (["data", "--make", "MAKE"], "unknown variable of data 'MAKE'; known: DATA"),
    ],
)
def test_a_name_on_make_s_command_line_that_a_command_does_not_have_is_refused(
    tmp_path: Path, line: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line, tmp_path) == 2
    assert words in capsys.readouterr().err
