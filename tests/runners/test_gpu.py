"""Every framework on a GPU: it computes there, says on which, and says when its memory is full."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from needs import ROOT, frameworks

from launcher.build.environments import EnvironmentBuilder
from launcher.stop import Stop
from runners.harness import nvidia

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]

ON_GPUS = frameworks("jax", "onnxruntime", "pytorch", "tensorflow")


def record_of(framework: str, folder: Path, *options: str) -> dict[str, Any]:
    """The record of one replicate on the first GPU."""
    python = EnvironmentBuilder(ROOT, "gpu", Stop()).python(framework)
    if not python.exists():
        pytest.skip(f"no environment of {framework} for GPUs: make images ENGINE=venv DEVICE=gpu")
    least = ["--warmup-steps", "0", "--min-steps", "1", "--max-steps", "1", "--min-seconds", "0"]
    command = [python, "-m", f"runners.{framework}", "infer", "--device", "gpu", *least, *options, "--out", folder]
    gpu = nvidia.listed()[0]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": gpu.uuid}
    environment["LEVELFIELD_PROVENANCE"] = json.dumps({"gpu": gpu.uuid})
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    [path] = folder.glob("*.json")
    return {"stderr": done.stderr[-3000:], **json.loads(path.read_text())}


@pytest.mark.parametrize("framework", ON_GPUS)
def test_a_framework_computes_on_the_gpu_of_the_run(framework: str, tmp_path: Path) -> None:
    record = record_of(framework, tmp_path, "--batch-size", "1")
    assert record["status"] == "ok", record["stderr"]
    assert record["effective"]["device"] == "gpu"
    assert record["effective"]["gpu_uuid"] == nvidia.listed()[0].uuid
    assert record["host"]["driver"]


@pytest.mark.parametrize("framework", ON_GPUS)
def test_a_batch_larger_than_the_gpu_is_out_of_memory(framework: str, tmp_path: Path) -> None:
    record = record_of(framework, tmp_path, "--network", "resnet18", "--batch-size", "200000")
    assert record["status"] == "oom", record["stderr"]


@pytest.mark.parametrize("framework", frameworks("pytorch", "tensorflow"))
def test_the_peak_leaves_out_what_only_set_up_needed(framework: str, tmp_path: Path) -> None:
    """A product of two 256 x 256 matrices is computed before; cnn4 needs a few MiB."""
    record = record_of(framework, tmp_path, "--batch-size", "1")
    assert 0 < record["resources"]["gpu_allocated_peak_bytes"] < 512 * 2**20
