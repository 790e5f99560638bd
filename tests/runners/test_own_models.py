"""Each framework computes a user's own model, in the layout of its images, and a changed weight shows."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from needs import ROOT
from tiny_onnx import MATRIX, tiny_onnx

from runners.harness.agreement import disagreement
from runners.harness.case import OWN_MODEL, Case
from runners.harness.record import Check
from runners.reference.own_model import inputs
from runners.reference.sketch import sketch

pytestmark = pytest.mark.timeout(300)
RUN = """
import json, sys
from runners.harness.cli import main
from runners.{0}.framework import FRAMEWORK
for number, words in enumerate(json.loads(sys.argv[1])):
    main(FRAMEWORK, [*words, "--record-id", str(number)])
"""
QUICK = "--batch-size 2 --threads 1 --warmup-steps 1 --min-steps 1 --max-steps 1 --min-seconds 0"
MODELS = """
from pathlib import Path
import numpy as np
WEIGHTS = np.random.default_rng(1).standard_normal((3, 4, 5, 6)).astype(np.float32)  # channels, height, width, out


def image(framework, weights=WEIGHTS):
    if framework == "pytorch":
        import torch

        class Product(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weights = torch.nn.Parameter(torch.from_numpy(weights))

            def forward(self, images):
                return torch.einsum("nchw,chwk->nk", images, self.weights)

        return Product()
    if framework == "tensorflow":
        import tensorflow as tf

        module = tf.Module()
        module.weights = tf.Variable(weights)
        return lambda images: tf.einsum("nhwc,chwk->nk", images, module.weights)
    if framework == "litert":
        import tensorflow as tf

        traced = tf.function(lambda images: tf.reshape(images, (-1, 60)) @ weights.transpose(1, 2, 0, 3).reshape(60, 6))
        traced = traced.get_concrete_function(tf.TensorSpec((None, 4, 5, 3), tf.float32))
        path = Path(__file__).with_name("image.tflite")
        path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert())
        return path
    if framework == "jax":
        import jax.numpy as jnp

        return lambda held, images: jnp.einsum("nhwc,chwk->nk", images, held), weights


def changed(framework):
    weights = WEIGHTS.copy()
    weights[0, 0, 0] *= 1.05
    return image(framework, weights)


def vector(framework):
    return Path(__file__).with_name("tiny.onnx")
"""


def reference(shape: str, product) -> Check:
    case = Case("infer", "cpu", batch_size=2, seed=25, input_shape=shape)
    return Check(logits_sketch=sketch(product(inputs(case, 2))))


@pytest.fixture
def measured(tmp_path: Path):
    """measured(framework, jobs): the record of each job, a model and further words. All run in one process."""
    tiny_onnx(tmp_path / "tiny.onnx")
    (tmp_path / "mine.py").write_text(MODELS)

    def run(framework: str, *jobs: str) -> list[dict]:
        lines = [["infer", "--model", f"{tmp_path}/{job.split()[0]}", *job.split()[1:]] for job in jobs]
        words = [[*line, *QUICK.split(), "--out", str(tmp_path)] for line in lines]
        python = ROOT / ".venvs" / framework / "bin" / "python"
        ended = subprocess.run(
            [python, "-c", RUN.format(framework), json.dumps(words)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=280,
        )
        paths = [tmp_path / f"{number}.json" for number in range(len(jobs))]
        assert all(path.exists() for path in paths), ended.stderr[-2000:]
        return [json.loads(path.read_text()) for path in paths]

    return run


def unlike(record: dict, expected: Check) -> str | None:
    assert record["status"] == "ok", record["error"]
    return disagreement(Check(**record["check"]), expected, "fp32", OWN_MODEL)


@pytest.mark.parametrize(
    ("framework", "layouts"),
    [
        pytest.param(name, layouts, marks=pytest.mark.frameworks(name))
        for name, layouts in {
            "pytorch": {"eager": "NCHW", "channels_last": "NHWC", "script": "NCHW"},
            "tensorflow": {"graph": "NHWC", "eager": "NHWC", "tuned": "NHWC"},
            "jax": {"jit": "NHWC"},
            "litert": {"xnnpack": "NHWC"},
        }.items()
    ],
)
def test_a_function_builds_the_same_model_in_each_framework(measured, framework: str, layouts: dict[str, str]) -> None:
    weights = np.random.default_rng(1).standard_normal((3, 4, 5, 6)).astype(np.float32)
    expected = reference("3x4x5", lambda images: np.einsum("nchw,chwk->nk", images, weights))
    jobs = [f"mine.py:image --input-shape 3,4,5 --variant {variant}" for variant in layouts]
    *found, changed = measured(framework, *jobs, "mine.py:changed --input-shape 3,4,5")
    for record, layout in zip(found, layouts.values(), strict=True):
        assert unlike(record, expected) is None
        assert record["effective"]["layout"] == layout
        assert record["effective"]["threads_intra"] in (1, None)  # None: LiteRT does not tell
    assert "logits of the reference batch differ" in (unlike(changed, expected) or "")


@pytest.mark.parametrize(
    "framework", [pytest.param(name, marks=pytest.mark.frameworks(name)) for name in ("onnxruntime", "openvino")]
)
def test_an_onnx_file_is_computed_and_a_function_may_name_it(measured, framework: str) -> None:
    expected = reference("4", lambda vectors: vectors @ np.array(MATRIX, np.float32))
    whole, named = measured(framework, "tiny.onnx --scope transfer+compute", "mine.py:vector --input-shape 4")
    for record in (whole, named):
        assert unlike(record, expected) is None
        assert record["check"]["parameters"] == 12
        assert record["effective"]["layout"] is None
    expected = reference("4", lambda vectors: vectors @ (1.001 * np.array(MATRIX, np.float32)))
    assert "logits of the reference batch differ" in (unlike(whole, expected) or "")
