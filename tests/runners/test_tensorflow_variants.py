"""Every variant of TensorFlow agrees with the first variant, in each precision and scope."""

import pytest

from runners.harness.agreement import LOGITS_TOLERANCE, disagreement, relative_error
from runners.harness.record import Check
from runners.reference.cost import step_cost
from runners.tensorflow.framework import FRAMEWORK

pytestmark = [pytest.mark.frameworks("tensorflow"), pytest.mark.full, pytest.mark.timeout(600)]

VARIANTS = FRAMEWORK.workloads["train"].variants
USUAL = (VARIANTS[0], "compute", "fp32")
COMPUTING = [(variant, "compute", "fp32") for variant in VARIANTS]
FED = [(variant, "transfer+compute", "fp32") for variant in VARIANTS]
IN_BF16 = [(variant, "compute", "bf16") for variant in VARIANTS]
FEW = ("graph", "graph_v1", "predict", "tuned")
"""Variants with their own way to copy a batch to the device, or to scale a loss."""
INFERRED = [*COMPUTING, *FED, *IN_BF16]
TRAINED = [*COMPUTING, *(how for how in (*FED, *IN_BF16) if how[0] in FEW)]


@pytest.fixture(scope="module")
def answers(carry_out):
    """{workload: {(variant, scope, precision): answer}} on cnn4."""

    def asked(workload, kinds):
        fixed = {"workload": workload, "network": "cnn4", "batch": 3, "size": 32}
        jobs = [{**fixed, "variant": variant, "scope": scope, "precision": bits} for variant, scope, bits in kinds]
        return dict(zip(kinds, carry_out("tensorflow", jobs), strict=True))

    return {"infer": asked("infer", INFERRED), "train": asked("train", TRAINED)}


def check(answer):
    assert "check" in answer, answer
    return Check(**answer["check"])


@pytest.mark.parametrize("how", INFERRED, ids="-".join)
def test_logits_agree_with_the_first_variant(answers, how):
    ours, usual = (check(answers["infer"][kind]) for kind in (how, USUAL))
    error = relative_error(ours.logits_sketch, usual.logits_sketch)
    if how[2] == "fp32":
        assert error < LOGITS_TOLERANCE["fp32"] / 10
    else:
        assert 1e-4 < error < LOGITS_TOLERANCE[how[2]]  # bf16 cannot be as near


@pytest.mark.parametrize("how", TRAINED, ids="-".join)
def test_losses_agree_with_the_first_variant(answers, how):
    ours, usual = (check(answers["train"][kind]) for kind in (how, USUAL))
    assert disagreement(ours, usual, how[2], "train") is None
    assert ours.losses[-1] < ours.losses[0]
    if how[2] == "fp32":
        assert ours.losses == pytest.approx(usual.losses, rel=1e-4)
    else:
        assert ours.losses[0] != pytest.approx(usual.losses[0], rel=1e-5)  # bf16 cannot be as near


@pytest.mark.parametrize("workload", ["infer", "train"])
def test_the_settings_in_effect_are_recorded_for_each_variant(answers, workload):
    for (_, _, precision), answer in answers[workload].items():
        effective = answer["effective"]
        assert (effective["precision"], effective["device"], effective["layout"]) == (precision, "cpu", "NHWC")
        assert effective["settings"]["parameters"] == (precision if workload == "infer" else "fp32")
        cost = step_cost(workload, "cnn4", 32, 3, precision)
        assert answer["cost"] == [cost.flops, cost.bytes]
