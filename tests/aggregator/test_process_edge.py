"""The edge of the process: what standard output, Ctrl-C and a defect of the program end with."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from make_records import TF, TORCH, make_records, make_run, planned, step_case, write_folder

from aggregator import cli
from aggregator.commands.shared import DEFECT, INTERRUPTED, NO_READER, NOT_WRITABLE, OK, USAGE
from runners.harness.case import Competitor

ROOT = Path(__file__).parents[2]
NOTHING = "import sys; sys.stdin.close()"
COMMANDS = ["report {} --out {}/out", "compare {0}:pytorch/eager {0}:tensorflow/graph", "schema", "--help"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    run = make_run([planned(step_case(), [TORCH, TF], 2)])
    return write_folder(tmp_path_factory.mktemp("edge") / "r", run, make_records(run))


def start(*arguments, **streams):
    return subprocess.Popen([sys.executable, "-m", "aggregator", *arguments], cwd=ROOT, text=True, **streams)


def words(command, folder):
    return command.format(folder, folder).split()


@pytest.mark.parametrize(
    ("command", "errors"), [*((one, subprocess.PIPE) for one in COMMANDS), (COMMANDS[0], subprocess.STDOUT)]
)
def test_a_reader_that_went_ends_it_quietly(folder, command, errors):
    with subprocess.Popen([sys.executable, "-c", NOTHING], stdin=subprocess.PIPE) as reader:
        reader.wait()
        process = start(*words(command, folder), stdout=reader.stdin, stderr=errors)
        said = process.communicate()[1] or ""
    assert process.returncode == NO_READER
    assert "Traceback" not in said
    assert "Exception ignored" not in said


@pytest.mark.parametrize("command", COMMANDS[:3])
def test_a_full_device_is_said(folder, command):
    with open("/dev/full", "w") as full:
        process = start(*words(command, folder), stdout=full, stderr=subprocess.PIPE)
        said = process.communicate()[1]
    assert process.returncode == NOT_WRITABLE
    assert said.endswith("aggregator: cannot write to standard output: No space left on device\n")
    assert "Traceback" not in said


def test_a_defect_is_told_from_a_result(monkeypatch, capsys):
    def broken(_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(cli.command("schema"), "run", broken)
    assert cli.main(["schema"]) == DEFECT == 70
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "ZeroDivisionError: a bug" in said
    assert said.splitlines()[-1] == (
        "aggregator: this is a defect of the program; please report it with the lines above"
    )


def test_a_stop_while_modules_are_loaded_is_one_line():
    """A module that is loaded late, and in whose place the stop comes."""
    code = (
        "import runpy, sys, types\n"
        "class Stop:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'scipy': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "runpy.run_module('aggregator', run_name='__main__')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, "aa", "run"], cwd=ROOT, text=True, capture_output=True)
    assert (ended.returncode, ended.stderr) == (INTERRUPTED, "aggregator: stopped\n")


@pytest.mark.parametrize("package", ["pydantic", "scipy", "altair"])
def test_a_package_that_is_not_installed_is_said(folder, package):
    """As where the machine's own Python is used: found missing at the start, with a command, or past its reading."""
    code = (
        "import runpy, sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {package!r}: raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "runpy.run_module('aggregator', run_name='__main__')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, "report", folder], cwd=ROOT, text=True, capture_output=True)
    assert ended.returncode == NOT_WRITABLE
    assert f"the Python package '{package}' is not installed here; `make setup`" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_every_exit_code_is_documented():
    text = (ROOT / "docs/continuous-integration.md").read_text().partition("Exit codes: ")[2].partition("\n\n")[0]
    known = {OK, 1, USAGE, NOT_WRITABLE, 4, DEFECT, INTERRUPTED, NO_READER}
    assert known == {int(number) for number in re.findall(r"(?:^|,\s)(\d+)\s", text)}


def test_a_path_is_printed_as_it_is(folder, capsys, tmp_path):
    """Spaces are part of it; what would move the cursor is not shown."""
    out = tmp_path / "a  b \x1b[31m\tc"
    assert cli.main(["export", str(folder), "--format", "benchmark-action", "--out", str(out)]) == OK
    assert capsys.readouterr().out == f"{tmp_path}/a  b \\x1b[31m\\x09c/benchmark.json\n"
    assert cli.main(["report", f"{tmp_path}/none  here\x1b"]) == USAGE
    assert "none  here" in capsys.readouterr().err
    (tmp_path / "file  \x1b").write_text("")
    assert cli.main(["report", str(folder), "--out", str(tmp_path / "file  \x1b")]) == NOT_WRITABLE
    assert "file  \\x1b: " in capsys.readouterr().err


def test_no_text_of_a_record_commands_a_terminal_or_a_ci_service(tmp_path, capsys):
    nasty = "::set-env name=A::b\n##[error]\x1b[31m\r\u202e"
    competitor = Competitor(nasty, nasty)
    run = make_run([planned(step_case(nasty), [competitor, TF], 2)])
    run = dataclasses.replace(run, run_id=f"::notice::{nasty}", profile=nasty)
    folder = write_folder(tmp_path / "r", run, make_records(run))
    (folder / f"records/{nasty.replace('/', '')}.json").write_text("{")
    for command in ("report", "audit", "export", "compare"):
        sides = [f"{folder}:{competitor.label}", f"{folder}:{TF.label}"] if command == "compare" else [str(folder)]
        cli.main([command, *sides, *(["--out", str(tmp_path / "out")] if command == "export" else [])])
        said = "".join(capsys.readouterr())
        assert said
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]|(?m:^ *::[a-z])|##\\w*\\[", said), command
