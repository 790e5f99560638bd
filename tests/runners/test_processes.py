"""Several processes take the training steps of one, and mistakes and deaths among them are noticed."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from needs import ROOT, frameworks

from launcher.plan.discovery import discover
from runners.harness.agreement import GRADIENT_TOLERANCE, disagreement
from runners.harness.record import Check

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]

SCALED = sorted(
    name for name, found in discover(ROOT).items() if found.declaration and "scale" in found.declaration.workloads
)
SMALL = ["--network=cnn4", "--batch-size=4", "--threads=2"]
SMALL += ["--warmup-steps=0", "--min-steps=5", "--max-steps=5", "--min-seconds=0"]
MISTAKES = Path(__file__).parent / "mistakes_of_processes"
"""A folder whose sitecustomize.py puts a mistake into every process of a replicate."""


def replicate(framework, out, *more, mistake=""):
    """The exit code, the record and the log of a replicate with two processes, in its own session."""
    python = ROOT / ".venvs" / framework / "bin" / "python"
    # All processes of the replicate have this variable: a living one would show that something is left.
    environment = {**os.environ, "PYTHONPATH": f"{MISTAKES}:{ROOT}", "MISTAKE": mistake, "SCALE_TEST": str(out)}
    command = [python, "-m", f"runners.{framework}", "scale", *SMALL, "--record-id", "one", "--out", out, *more]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert not left(out)
    return done.returncode, json.loads((out / "one.json").read_bytes()), done.stderr


def left(out):
    """The living processes that a replicate started."""
    marked = f"SCALE_TEST={out}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marked in (folder / "environ").read_bytes().split(b"\0"):
                found.append(folder.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("framework", frameworks(*SCALED))
def test_two_processes_take_the_steps_of_one(framework, tmp_path):
    found = {}
    for count in (1, 2):
        code, record, log = replicate(framework, tmp_path / str(count), "--processes", str(count))
        assert code == 0, log
        assert record["samples"]["items_per_step"] == 4
        assert record["effective"]["visible_cpus"] == len(os.sched_getaffinity(0))
        assert record["effective"]["settings"]["cpus_a_process"] == str(len(os.sched_getaffinity(0)) // count)
        assert record["effective"]["threads_intra"] in (2 // count, None)
        found[count] = Check(**record["check"])
    assert found[2].gradient_difference <= GRADIENT_TOLERANCE
    assert disagreement(found[1], found[2], "fp32", "scale") is None


@pytest.mark.frameworks("pytorch")
def test_a_growing_batch_has_a_batch_for_each_process(tmp_path):
    code, record, log = replicate("pytorch", tmp_path, "--processes", "2", "--global-batch", "growing")
    assert (code, record["samples"]["items_per_step"]) == (0, 8), log


@pytest.mark.parametrize(
    ("framework", "mistake"),
    [
        pytest.param(name, mistake, marks=pytest.mark.frameworks(name))
        for mistake, names in {"same_part": SCALED, "summed": ("pytorch", "tensorflow")}.items()
        for name in names
    ],
)
def test_a_wrong_exchange_is_refused(framework, mistake, tmp_path):
    code, record, _ = replicate(framework, tmp_path, "--processes", "2", mistake=mistake)
    assert (code, record["status"], record["error"]["kind"]) == (1, "invalid", "GRADIENTS")


@pytest.mark.frameworks("pytorch")
def test_a_process_on_all_cpus_is_refused(tmp_path):
    _, record, _ = replicate("pytorch", tmp_path, "--processes", "2", mistake="all_cpus")
    assert (record["status"], record["error"]["kind"]) == ("invalid", "CPUS")


@pytest.mark.parametrize("framework", frameworks(*SCALED))
@pytest.mark.parametrize("number", [0, 1])
def test_a_process_that_dies_ends_all_and_is_named(framework, number, tmp_path):
    code, record, _ = replicate(framework, tmp_path, "--processes", "2", mistake=f"dies {number}")
    assert code == 1
    assert (record["status"], record["error"]["kind"]) == ("crashed", "CRASH(SIGKILL)")
    assert record["error"]["message"] == f"process {number} of 2 died by SIGKILL"
    assert record["error"]["exit_code"] == -signal.SIGKILL


@pytest.mark.parametrize("framework", frameworks(*SCALED))
def test_a_process_that_fails_ends_all_and_is_named(framework, tmp_path):
    _, record, _ = replicate(framework, tmp_path, "--processes", "2", mistake="fails 1")
    assert (record["status"], record["error"]["kind"]) == ("failed", "ERROR")
    assert record["error"]["message"] == "process 1 of 2: RuntimeError: on purpose"


@pytest.mark.frameworks("pytorch")
@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--processes", "2", "--batch-size", "5"], "5 images of the batch cannot be divided evenly"),
        (["--processes", "2", "--threads", "3"], "3 threads cannot be divided evenly between 2 processes"),
    ],
)
def test_work_that_cannot_be_divided_is_unsupported(more, reason, tmp_path):
    _, record, _ = replicate("pytorch", tmp_path, *more)
    assert record["status"] == "unsupported"
    assert reason in record["error"]["message"]
