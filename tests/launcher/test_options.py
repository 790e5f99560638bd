"""Each command takes its own options, from the command line or from variables of make, and refuses all others."""

from pathlib import Path

import pytest

from launcher.cli import main, read
from launcher.options import as_typed, measured


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
        None,
    )
    assert given.given == {"networks": "vgg16,cnn4", "data": "-my photos", "blocks": "5"}


@pytest.mark.parametrize("through_make", [["--make", ""], []])
def test_what_the_environment_holds_for_other_programs_is_not_taken_unsaid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], through_make: list[str]
) -> None:
    monkeypatch.setenv("BLOCKS", "3")
    monkeypatch.setenv("DATA", "/var/tmp")
    monkeypatch.setenv("RESULTS", "x")
    monkeypatch.setenv("EXTRA_INDEX", "https://me:secret@one.example/simple")
    given = measured(read(["bench", *through_make], tmp_path))
    assert (given.blocks, given.data, given.extra_index) == (None, "", "https://me:secret@one.example/simple")
    said = capsys.readouterr().err
    assert "from the environment: EXTRA_INDEX=https://one.example/simple" in said
    assert ("not taken from the environment: BLOCKS, DATA;" in said) is bool(through_make)
    assert "RESULTS" not in said


def test_a_variable_of_the_environment_that_a_command_does_not_have_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BLOCKS", "3")
    read(["images", "--make", ""], tmp_path)
    assert "BLOCKS" not in capsys.readouterr().err


def test_a_home_is_found_where_no_shell_expands_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/of me")
    given = read(["bench", "--data", "~/a, ~/b,c~,./~,~no-such-user/d", "--out=~/runs"], tmp_path)
    assert given.data == "/home/of me/a,/home/of me/b,c~,./~,~no-such-user/d"
    assert given.out == Path("/home/of me/runs")
    assert read(["bench", "--run", "~/elsewhere/1/"], tmp_path).out == Path("/home/of me/elsewhere")
    assert read(["bench", "--data", " a, b"], tmp_path).data == "a, b"


@pytest.mark.parametrize(
    ("text", "out", "run"),
    [
        ("20260101-quick", "results", "20260101-quick"),
        ("results/20260101-quick", "results", "20260101-quick"),
        ("./results/20260101-quick/", "results", "20260101-quick"),
        ("elsewhere/my runs/one (copy)", "elsewhere/my runs", "one (copy)"),
        ("one/", "results", "one"),
        (".", "results", "."),
    ],
)
def test_a_run_is_named_or_given_as_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, out: str, run: str
) -> None:
    monkeypatch.chdir(tmp_path)
    given = read(["bench", "--run", text], tmp_path)
    assert (given.out, given.run) == (tmp_path / out, run)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("--blocks '0': a whole number", "BLOCKS='0': a whole number"),
        ("--cpus 0-9: CPU 9 is not there", "CPUS=0-9: CPU 9 is not there"),
        ("choose another --out", "choose another OUT="),
        ("--data: no such folder; --extra-index=x", "DATA=: no such folder; EXTRA_INDEX=x"),
        ("--epochs applies to fit; --strict, --aa, --outer", "EPOCHS= applies to fit; --strict, --aa, --outer"),
        ("RUN=1 resumes it", "RUN=1 resumes it"),
    ],
)
def test_an_error_names_the_variable_that_its_reader_typed(text: str, typed: str) -> None:
    assert as_typed(text, through_make=True) == typed


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("install it, or use ENGINE=venv", "install it, or use --engine venv"),
        ("RUN=20260101-quick resumes the run", "--run 20260101-quick resumes the run"),
        ("make setup ENGINE=venv PYTHON=python3.11", "make setup ENGINE=venv PYTHON=python3.11"),
        ("--blocks '0', TMPDIR=/tmp", "--blocks '0', TMPDIR=/tmp"),
    ],
)
def test_an_error_names_the_option_where_make_did_not_start_this(text: str, typed: str) -> None:
    assert as_typed(text, through_make=False) == typed


def test_a_message_is_said_as_it_was_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKS", "0")
    assert main(["plan", "--make", "BLOCKS"], tmp_path) == 2
    assert "BLOCKS='0': a whole number from 1 to 1000" in capsys.readouterr().err
    assert main(["plan", "--blocks", "0"], tmp_path) == 2
    assert "--blocks '0': a whole number from 1 to 1000" in capsys.readouterr().err


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
