"""Two checks agree only where every evidence both carry agrees."""

import pytest

from runners.harness.agreement import disagreement, loss_tolerance
from runners.harness.record import Check

BASE = Check(
    trainable=10,
    non_trainable=2,
    weights_digest="sha256:a",
    logits_sketch=[1.0, 2.0, 2.0],
    losses=[4.6, 4.5, 4.4, 4.3],
    losses_fp64=[4.6, 4.5, 4.4, 4.3],
)


def changed(**fields) -> Check:
    return Check(**{**BASE.__dict__, **fields})


def test_equal_checks_agree():
    assert disagreement(BASE, BASE, "fp32") is None


def test_evidence_that_only_one_side_has_is_no_disagreement():
    assert disagreement(BASE, Check(), "fp32") is None


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("trainable", 11, "trainable"),
        ("non_trainable", 3, "non trainable"),
        ("weights_digest", "sha256:b", "weights digest"),
        ("logits_sketch", [1.0, 2.0, 2.01], "logits"),
        ("logits_sketch", [1.0, 2.0], "logits"),
        ("losses", [4.6, 4.52, 4.4, 4.3], "after 1 "),
        ("losses", [4.6, 4.5, 4.4, 4.0], "after 3 "),
    ],
)
def test_each_evidence_can_disagree(field: str, value: object, named: str):
    other = changed(**{field: value}, **({} if field != "losses" else {"losses_fp64": None}))
    reason = disagreement(changed(losses_fp64=None), other, "fp32")
    assert reason is not None
    assert named in reason


@pytest.mark.parametrize("field", ["losses", "losses_fp64"])
def test_too_few_losses_are_no_evidence(field: str):
    reason = disagreement(BASE, changed(**{field: [4.6, 4.5]}), "fp32")
    assert reason is not None


def test_a_precision_without_a_tolerance_is_not_compared():
    assert disagreement(BASE, BASE, "fp8") == "no tolerance is known for precision fp8"


def test_half_precision_allows_more():
    other = changed(logits_sketch=[1.0, 2.0, 2.01])
    assert disagreement(BASE, other, "bf16") is None


def test_not_a_number_never_agrees():
    assert disagreement(BASE, changed(logits_sketch=[float("nan"), 2.0, 2.0]), "fp32") is not None


def test_float64_runs_must_agree_far_more_closely():
    other = changed(losses_fp64=[4.6, 4.5, 4.4 * (1 + 2e-5), 4.3 * (1 + 2e-5)])
    assert "float64 after 3 " in (disagreement(BASE, other, "fp32") or "")


def test_a_framework_that_strays_from_its_own_float64_run_widens_the_loss_tolerance():
    strayed = changed(losses=[4.6, 4.5, 4.4, 4.343])
    assert loss_tolerance(BASE, strayed, 3) == pytest.approx(10 * 0.043 / 4.3)
    assert disagreement(BASE, strayed, "fp32") is None
