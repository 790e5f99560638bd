"""Two checks agree only if all evidence that both have agrees."""

import pytest

from runners.harness.agreement import REQUIRED, disagreement, loss_tolerance
from runners.harness.record import Check

BASE = Check(
    trainable=10,
    non_trainable=2,
    weights_digest="sha256:a",
    logits_sketch=[1.0, 2.0, 2.0],
    losses=[4.6, 4.5, 4.4, 4.3],
    losses_fp64=[4.6, 4.5, 4.4, 4.3],
    evaluated_fp64=[1.0, 2.0, 2.0],
    delivered_items=240,
    pixel_mean_difference=0.1,
    pixel_worst_image=0.4,
    accuracy=0.5,
    accuracy_restored=0.5,
    gradient_difference=1e-7,
    file_bytes=10**6,
    export_difference=1e-7,
)


def changed(**fields) -> Check:
    return Check(**{**BASE.__dict__, **fields})


def test_equal_checks_agree():
    assert disagreement(BASE, BASE, "fp32", "train") is None


@pytest.mark.parametrize(
    ("workload", "name"), [(workload, name) for workload in REQUIRED for name in REQUIRED[workload]]
)
@pytest.mark.parametrize("sides", ["left", "right", "both"])
def test_missing_required_evidence_is_a_disagreement(workload: str, name: str, sides: str):
    without = changed(**{name: None})
    left, right = (without if sides != "right" else BASE), (without if sides != "left" else BASE)
    assert name.replace("_", " ") in (disagreement(left, right, "fp32", workload) or "")


@pytest.mark.parametrize("workload", REQUIRED)
def test_the_required_evidence_suffices(workload: str):
    only = Check(**{name: getattr(BASE, name) for name in REQUIRED[workload]})
    assert disagreement(only, only, "fp32", workload) is None


def test_an_unknown_workload_requires_no_evidence_but_compares_it():
    assert disagreement(BASE, Check(), "fp32", "new") is None
    assert "trainable" in (disagreement(BASE, changed(trainable=11), "fp32", "new") or "")


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("trainable", 11, "trainable"),
        ("non_trainable", 3, "non trainable"),
        ("weights_digest", "sha256:b", "weights digest"),
        ("logits_sketch", [1.0, 2.0, 2.01], "logits"),
        ("logits_sketch", [1.0, 2.0], "logits"),
        ("delivered_items", 239, "delivered items"),
        ("evaluated_fp64", [1.0, 2.0, 2.0001], "after training in float64"),
        ("losses", [4.6, 4.52, 4.4, 4.3], "after 1 "),
        ("losses", [4.6, 4.5, 4.4, 4.0], "after 3 "),
    ],
)
def test_each_evidence_can_disagree(field: str, value: object, named: str):
    other = changed(**{field: value}, **({} if field != "losses" else {"losses_fp64": None}))
    reason = disagreement(changed(losses_fp64=None), other, "fp32", "train")
    assert reason is not None
    assert named in reason


@pytest.mark.parametrize("field", ["losses", "losses_fp64"])
def test_too_few_losses_are_no_evidence(field: str):
    reason = disagreement(BASE, changed(**{field: [4.6, 4.5]}), "fp32", "train")
    assert reason is not None


def test_a_precision_without_a_tolerance_is_not_compared():
    assert disagreement(BASE, BASE, "fp8", "train") == "there is no tolerance for precision fp8"


def test_half_precision_allows_more():
    other = changed(logits_sketch=[1.0, 2.0, 2.01])
    assert disagreement(BASE, other, "bf16", "train") is None


def test_nan_never_agrees():
    assert disagreement(BASE, changed(logits_sketch=[float("nan"), 2.0, 2.0]), "fp32", "train") is not None


def test_float64_runs_must_agree_far_more_closely():
    other = changed(losses_fp64=[4.6, 4.5, 4.4 * (1 + 2e-5), 4.3 * (1 + 2e-5)])
    assert "float64 after 3 " in (disagreement(BASE, other, "fp32", "train") or "")


def test_a_distance_from_the_own_float64_run_widens_the_loss_tolerance():
    strayed = changed(losses=[4.6, 4.5, 4.4, 4.3 * 1.004])
    assert loss_tolerance(BASE, strayed, 3, "fp32") == pytest.approx(4e-2)
    assert disagreement(BASE, strayed, "fp32", "train") is None


def test_after_one_step_the_loss_tolerance_is_at_most_a_hundredth():
    strayed = changed(losses=[4.6, 4.5 * 1.002, 4.4, 4.3])
    assert loss_tolerance(BASE, strayed, 1, "fp32") == 1e-2
    assert disagreement(BASE, strayed, "fp32", "train") is None
    assert "after 1 " in (disagreement(BASE, changed(losses=[4.6, 4.5 * 1.02, 4.4, 4.3]), "fp32", "train") or "")


def test_a_mistake_in_the_timed_step_cannot_widen_its_own_tolerance():
    strayed = changed(losses=[4.6, 4.5, 4.4, 4.3 * 0.94])
    assert loss_tolerance(BASE, strayed, 3, "fp32") == 5e-2
    assert "after 3 " in (disagreement(BASE, strayed, "fp32", "train") or "")
