"""`--check` compares a framework's evidence with PyTorch's stored evidence."""

from dataclasses import replace

import pytest
from published_counts import PUBLISHED

from benchmarks.expected_checks import SEED
from runners.harness.case import Case
from runners.harness.expected import expected, shortcoming
from runners.harness.record import Check
from runners.reference.layers import CLASSES, SIZES

INFER = Case("infer", "cpu", batch_size=2, seed=SEED, network="resnet18", input_size=224)
TRAIN = replace(INFER, workload="train")


@pytest.mark.parametrize("network", CLASSES)
@pytest.mark.parametrize("workload", ["infer", "train"])
def test_the_evidence_of_every_network_is_stored(workload, network):
    case = Case(workload, "cpu", batch_size=2, seed=SEED, network=network, input_size=SIZES[network][0])
    stored = expected(case)
    assert stored is not None
    assert (stored.trainable, stored.non_trainable) == (PUBLISHED[network].trainable, PUBLISHED[network].non_trainable)
    assert len(stored.logits_sketch) == 64
    assert shortcoming(case, stored)[0] is None
    if workload == "train":
        assert len(stored.losses) == len(stored.losses_fp64) == 4
        assert len(stored.evaluated_fp64) == 64


@pytest.mark.parametrize(
    ("case", "name", "change", "words"),
    [
        (INFER, "logits_sketch", lambda sketch: [1.001 * value for value in sketch], "logits"),
        (INFER, "logits_sketch", None, "no evidence of its logits sketch"),
        (TRAIN, "losses", None, "no evidence of its losses"),
        (TRAIN, "losses_fp64", lambda losses: [value + 1e-3 for value in losses], "loss in float64"),
        (TRAIN, "trainable", lambda count: count + 1, "trainable differs"),
    ],
)
def test_different_or_missing_evidence_is_reported(case, name, change, words):
    stored = expected(case)
    other = change(getattr(stored, name)) if change else None
    reason, _ = shortcoming(case, replace(stored, **{name: other}))
    assert words in reason


def test_logits_are_compared_for_every_batch_size_and_losses_for_one():
    assert expected(replace(INFER, batch_size=7)) == expected(INFER)
    assert expected(replace(TRAIN, batch_size=7)) is None


def test_without_stored_evidence_it_says_so_and_still_requires_evidence():
    case = replace(INFER, input_size=128)
    reason, compared = shortcoming(case, expected(INFER))
    assert reason is None
    assert compared == "NOT COMPARED: the stored evidence is of infer resnet18 224px seed 25, fp32"
    assert "no evidence" in shortcoming(case, Check())[0]


def test_for_other_workloads_it_advises_a_run():
    advice = "NOT COMPARED: there is no stored evidence of load; make bench PROFILE=line compares frameworks"
    case = Case("load", "cpu", batch_size=2, seed=25)
    whole = Check(delivered_items=2, pixel_mean_difference=0.1, pixel_worst_image=0.2)
    assert shortcoming(case, whole) == (None, advice)
    assert shortcoming(case, Check()) == ("a record holds no evidence of its delivered items", advice)
    assert shortcoming(replace(case, workload="fit"), Check())[0] is None  # nothing was trained yet
