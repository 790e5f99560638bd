"""Parts of TensorFlow's runners, and mistakes in them."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from needs import ROOT

pytestmark = [pytest.mark.frameworks("tensorflow"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def found():
    """The results from tests/runners/probe_tensorflow.py."""
    command = [ROOT / ".venvs/tensorflow/bin/python", Path(__file__).with_name("probe_tensorflow.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_frozen_network_is_computed_in_every_step(found):
    """A session runs four convolutions and two dense layers, and another batch gives other logits."""
    operations = found["frozen"]["operations"]
    assert [sum("Conv2D" in name for name in operations), sum("MatMul" in name for name in operations)] == [4, 2]
    assert max(found["frozen"]["errors"]) < 1e-4 < found["frozen"]["apart"]


def test_a_batch_that_is_a_constant_would_be_noticed(found):
    assert found["folded"] == []


def test_a_session_has_the_requested_threads(found):
    assert found["frozen"]["threads"] == 2


def test_the_frozen_model_does_not_stay_in_memory(found):
    assert found["frozen"]["model_gone"]


def test_roof_multiplies_and_copies(found):
    rates = found["rates"]
    assert rates["product"] < 1e-5
    assert rates["copy"] == 0
    assert (rates["flops"], rates["bytes"]) == (2 * 16**3, 2 * 4 * 128)
    assert rates["identity_shares"]
    assert not rates["copy_shares"]


@pytest.mark.parametrize(("workload", "parameters"), [("infer", "bf16"), ("train", "fp32")])
def test_a_precision_that_did_not_take_effect_fails_the_replicate(found, workload, parameters):
    right, wrong = (found["precision"][f"{workload} {how}"] for how in ("right", "wrong"))
    assert (right["code"], right["effective"], right["parameters"]) == (0, "bf16", parameters)
    assert (wrong["code"], wrong["error"]) == (1, "PRECISION")


def test_without_compilation_no_code_is_kept(found):
    assert found["precision"]["infer right"]["compiler_cache"] is None


def test_xla_compiles_and_a_second_process_starts_warm(tmp_path):
    records = []
    for turn in ("cold", "warm"):
        command = [ROOT / ".venvs/tensorflow/bin/python", "-m", "runners.tensorflow", "infer", "--variant", "xla"]
        command += ["--network", "cnn4", "--batch-size", "2", "--min-steps", "4", "--min-seconds", "0"]
        command += ["--compiler-cache", tmp_path / "compiled", "--out", tmp_path / turn]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        records.append(json.loads(next((tmp_path / turn).glob("*.json")).read_text()))
    assert [record["samples"]["compiler_cache"] for record in records] == ["cold", "warm"]
    assert records[0]["check"] == records[1]["check"]
    [compiled] = (tmp_path / "compiled").rglob("*XLA_CPU_JIT*")
    assert compiled.stat().st_size > 0
