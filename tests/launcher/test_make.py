"""The Makefile hands the variables of its own command line on, as they were written, and nothing else."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from launcher_fakes import REPOSITORY

from launcher.isolation import UNWANTED

STUB = """#!/usr/bin/env python3
import os, sys
print(*sys.argv[1:])
for name in sys.argv[sys.argv.index("--make") + 1].split() if "--make" in sys.argv else []:
    print(name, "=", ascii(os.environ[name]))
print("unwanted:", *(name for name in os.environ["UNWANTED"].split() if name in os.environ))
"""

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="no make here")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout whose `.venv/bin/python` prints what it is asked for."""
    root = tmp_path / "a clone, of: 'mine' $x 100% ü"
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / "Makefile").symlink_to(REPOSITORY / "Makefile")
    (root / "pyproject.toml").write_text("")
    (root / ".venv" / "bin" / "python").write_text(STUB)
    (root / ".venv" / "bin" / "python").chmod(0o755)
    for name in ("host", "test", "test-all", "check"):
        (root / ".venv" / name).write_text("")
    os.utime(root / "pyproject.toml", (0, 0))
    os.utime(root / ".venv" / "host", (1, 1))
    return root


def make(tree: Path, *words: str, code: int = 0, **variables: str) -> str:
    environment = {"PATH": os.environ["PATH"], "UNWANTED": " ".join(UNWANTED), **variables}
    done = subprocess.run(["make", *words], cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


VALUES = {"DATA": "/a b/$HOME,~/it's", "FILTER": 'a"b #c', "CPUS": "0-3"}


@pytest.mark.parametrize("flags", [[], ["-j4"], ["-k"], ["-s"], ["-e"]])
@pytest.mark.parametrize("command", ["plan", "bench", "smoke", "aa"])
def test_variables_reach_the_launcher_as_they_were_written(tree: Path, command: str, flags: list[str]) -> None:
    said = make(tree, *flags, command, *(f"{name}={value}" for name, value in VALUES.items()), DEVICE="cuda")
    assert said.startswith("-m launcher " + {"plan": "plan", "aa": "bench --aa"}.get(command, "bench") + " --make ")
    found = dict(re.findall(r"^(\w+) = (.*)$", said, re.MULTILINE))
    wanted = VALUES | ({"PROFILE": "smoke"} if command == "smoke" else {})
    assert found == {name: ascii(value) for name, value in wanted.items()}


def test_the_environment_of_other_programs_changes_nothing(tree: Path) -> None:
    plain = make(tree, "plan")
    others = {"DATA": "/var/tmp", "HOST": "false", "GIVEN": "x", "OPTIONS": "x", "PYTHON": "false", "PROCESSES": "9"}
    unwanted = dict.fromkeys(UNWANTED, "1")
    assert make(tree, "plan", **others, **unwanted, MAKEFLAGS="-j8 -k", BASH_ENV="/no/such/file") == plain
    assert make(tree, "test", FRAMEWORKS="all", RUN="x") == make(tree, "test")
    assert "--frameworks  -m not (docker or browser or gpu or slurm or full)" in make(tree, "test")
    assert "--frameworks jax -m not (docker or browser or gpu or slurm)" in make(tree, "test", "FRAMEWORKS=jax")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "RNU=1"], "Unknown variable of make report: RNU; known: RUN"),
        (["test", "FRAMWORKS=jax"], "Unknown variable of make test: FRAMWORKS; known: FRAMEWORKS"),
        (["clean", "RESULTS=yes"], "Unknown variable of make clean: RESULTS; known: none"),
        (["audit"], "There is no run under results/ yet"),
    ],
)
def test_a_variable_that_a_job_does_not_take_is_refused(tree: Path, words: list[str], said: str) -> None:
    assert said in make(tree, *words, code=2, RUN="x")


def test_a_report_is_of_the_named_run_or_of_the_newest(tree: Path) -> None:
    for age, name in ((20, "old one"), (10, "new one")):
        (tree / "results" / name).mkdir(parents=True)
        (tree / "results" / name / "run.json").write_text("")
        os.utime(tree / "results" / name / "run.json", (time.time() - age,) * 2)
    for run in ("old one", "results/old one", "results/old one/"):
        assert "aggregator report results/old one" in make(tree, "report", f"RUN={run}")
    assert "aggregator report nowhere\n" in make(tree, "report", "RUN=nowhere")
    assert "aggregator audit results/old one" in make(tree, "audit", "RUN=old one")
    shutil.rmtree(tree / "results" / "new one")
    assert "aggregator report results/old one" in make(tree, "report", RUN="nowhere")
