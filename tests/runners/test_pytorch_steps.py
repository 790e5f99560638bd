"""PyTorch's variants, precisions and scopes of a step do the work of `eager` in float32, and report true settings."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from needs import ROOT

from runners.harness.agreement import LOGITS_TOLERANCE, LOSS_STEPS, LOSS_TOLERANCE, relative_error
from runners.pytorch.framework import VARIANTS
from runners.reference.cost import step_cost
from runners.reference.layers import CLASSES, Kind, layers

pytestmark = [pytest.mark.frameworks("pytorch"), pytest.mark.full, pytest.mark.timeout(600)]

WORKLOADS = ("infer", "train")
COUNTED = {name: {"cnn4": 32, "vit_b_16": 224}.get(name, 128) for name in CLASSES}
PLAIN = [name for name in CLASSES if all(layer.kind is not Kind.DEPTHWISE for layer in layers(name, CLASSES[name]))]
"""Networks whose training torch counts correctly: it ignores the groups in gradients of grouped convolutions."""


def job(workload, variant="eager", **more):
    return {"workload": workload, "variant": variant, "network": "cnn4", "size": 32, **more}


JOBS = {
    **{(workload, variant): job(workload, variant) for workload in WORKLOADS for variant in VARIANTS},
    **{(workload, "bf16"): job(workload, precision="bf16") for workload in WORKLOADS},
    **{(workload, "script bf16"): job(workload, "script", precision="bf16") for workload in WORKLOADS},
    **{(workload, "from host"): job(workload, scope="transfer+compute") for workload in WORKLOADS},
    ("infer", "tuned bf16"): job("infer", "tuned", precision="bf16"),
    **{("infer", f"{variant} one by one"): job("infer", variant, batch=1) for variant in ("eager", "tuned")},
    ("infer", "NHWC bf16 from host"): job("infer", "channels_last", scope="transfer+compute", precision="bf16"),
    ("train", "no autocast"): job("train", precision="bf16", spoiled="autocast"),
    ("infer", "no cast"): job("infer", precision="bf16", spoiled="dtype"),
    ("infer", "no TorchScript"): job("infer", "script", spoiled="torchscript"),
    ("infer", "a folder with a blank"): job("infer", "compile", spoiled="blank"),
    "product": {"workload": "roof", "variant": "eager", "stage": "product", "batch": 1},
    "bf16 product": {"workload": "roof", "variant": "eager", "stage": "product", "batch": 1, "precision": "bf16"},
    "copy": {"workload": "roof", "variant": "eager", "stage": "copy", "batch": 1},
    "bf16 copy": {"workload": "roof", "variant": "eager", "stage": "copy", "batch": 1, "precision": "bf16"},
    **{("flops", "infer", name): [name, size, "infer"] for name, size in COUNTED.items()},
    **{("flops", "train", name): [name, COUNTED[name], "train"] for name in PLAIN},
}


@pytest.fixture(scope="module")
def answers():
    """The answers to all jobs, from one process, because imports and the compiler's start take long."""
    python = ROOT / ".venvs" / "pytorch" / "bin" / "python"
    command = [python, Path(__file__).with_name("probe_pytorch.py"), json.dumps(list(JOBS.values()))]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(JOBS, json.loads(done.stdout.splitlines()[-1]), strict=True))


def compared(answers, name, tolerance_of_logits, tolerance_of_losses, tolerance_of_statistics=0.01):
    """Compare the evidence of a job with the evidence of eager in float32."""
    found, eager = answers[name], answers[name[0], "eager"]
    assert relative_error(found["check"]["logits_sketch"], eager["check"]["logits_sketch"]) <= tolerance_of_logits
    if name[0] == "train":
        for step in LOSS_STEPS:
            loss = eager["check"]["losses"][step]
            assert found["check"]["losses"][step] == pytest.approx(loss, rel=tolerance_of_losses)
        assert relative_error(found["running"], eager["running"]) <= tolerance_of_statistics
        assert len(found["running"]) == 704


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("variant", [*VARIANTS[1:], "from host"])
def test_every_variant_agrees_with_eager(answers, workload, variant):
    compared(answers, (workload, variant), 1e-5, LOSS_TOLERANCE["fp32"])
    assert answers[workload, variant]["effective"]["precision"] == "fp32"


def test_training_moves_the_running_statistics(answers):
    before, after = (answers[workload, "eager"]["running"] for workload in WORKLOADS)
    assert relative_error(after, before) > 0.1


@pytest.mark.parametrize(
    ("workload", "variant"),
    [("infer", "tuned bf16"), *((workload, name) for workload in WORKLOADS for name in ("bf16", "script bf16"))],
)
def test_bf16_stays_within_its_tolerance(answers, workload, variant):
    compared(answers, (workload, variant), LOGITS_TOLERANCE["bf16"], LOSS_TOLERANCE["bf16"])
    found = answers[workload, variant]
    assert found["effective"]["precision"] == "bf16"
    assert found["effective"]["settings"]["parameters"] == {"infer": "bf16", "train": "fp32"}[workload]
    eager = answers[workload, "eager"]
    assert found["check"]["logits_sketch"] != eager["check"]["logits_sketch"]
    assert found["check"]["losses"] is None or found["check"]["losses"] != eager["check"]["losses"]


def test_a_precision_that_did_not_take_effect_is_noticed(answers):
    assert answers["train", "no autocast"]["effective"]["precision"] == "fp32"
    assert answers["infer", "no cast"]["effective"]["precision"] == "fp32"


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_layout_is_that_of_batch_and_weights(answers, workload, variant):
    wanted = "NHWC" if "channels_last" in variant or variant == "tuned" else "NCHW"
    found = answers[workload, variant]
    assert (found["effective"]["layout"], found["weights"]) == (wanted, wanted)


def test_a_batch_from_the_host_has_the_right_layout_and_precision(answers):
    compared(answers, ("infer", "NHWC bf16 from host"), LOGITS_TOLERANCE["bf16"], 0)
    effective = answers["infer", "NHWC bf16 from host"]["effective"]
    assert (effective["layout"], effective["precision"]) == ("NHWC", "bf16")


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_compiling_variant_has_its_stage_and_keeps_its_code(answers, workload, variant):
    found = answers[workload, variant]
    ahead = "script" in variant or (variant, workload) == ("tuned", "infer")
    assert found["stages"] == (["compile"] if ahead else [])
    assert found["cached"] == ("compile" in variant)


def test_the_cases_share_the_precompiled_header(answers):
    assert not answers["infer", "script"]["headers"]
    assert answers["infer", "compile"]["headers"]


@pytest.mark.parametrize("variant", ["eager", "tuned"])
def test_with_batch_size_one_two_images_are_still_compared(answers, variant):
    compared(answers, ("infer", f"{variant} one by one"), 1e-5, 0)


def test_without_torchscript_its_variants_are_unsupported(answers):
    assert "TorchScript" in answers["infer", "no TorchScript"]["unsupported"]


def test_a_folder_that_torch_cannot_name_to_the_compiler_is_unsupported(answers):
    assert "/home/me/my files/torch" in answers["infer", "a folder with a blank"]["unsupported"]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_no_copy_of_the_weights_is_alive_when_the_clock_starts(answers, workload):
    made, alive = answers[workload, "eager"]["arrays"]
    assert made == 28
    assert alive == 0


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_step_declares_its_cost(answers, workload):
    for precision in ("fp32", "bf16"):
        cost = step_cost(workload, "cnn4", 32, 4, precision)
        found = answers[workload, {"fp32": "eager"}.get(precision, precision)]["cost"]
        assert found == [cost.flops, cost.bytes]


@pytest.mark.parametrize("network", CLASSES)
def test_torch_counts_the_same_operations(answers, network):
    for workload in WORKLOADS if network in PLAIN else ("infer",):
        counted = step_cost(workload, network, COUNTED[network], 1, "fp32").flops
        assert answers["flops", workload, network] == counted


def test_the_roof_is_a_product_and_a_copy(answers):
    product, copy = answers["product"], answers["copy"]
    assert product["cost"] == [2 * 2048**3, None]
    assert copy["cost"] == [None, 2 * 4 * 2**26]
    assert product["effective"]["precision"] == copy["effective"]["precision"] == "fp32"
    low = answers["bf16 product"]
    assert low["effective"]["precision"] == "bf16"
    assert (
        1e-4
        < relative_error(low["check"]["logits_sketch"], product["check"]["logits_sketch"])
        < LOGITS_TOLERANCE["bf16"]
    )
    assert "fp32" in answers["bf16 copy"]["unsupported"]
