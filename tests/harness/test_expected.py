"""`--check` compares a framework's evidence with PyTorch's, which is kept."""

from dataclasses import replace

import pytest
from published_counts import PUBLISHED

from runners.harness.case import Case
from runners.harness.expected import expected, shortcoming
from runners.harness.record import Check
from runners.reference.layers import CLASSES, SIZES

INFER = Case("infer", "cpu", batch_size=2, seed=25, network="resnet18", input_size=224)
TRAIN = replace(INFER, workload="train")


@pytest.mark.parametrize("network", CLASSES)
@pytest.mark.parametrize("workload", ["infer", "train"])
def test_every_network_s_evidence_is_kept(workload, network):
    case = Case(workload, "cpu", batch_size=2, seed=25, network=network, input_size=SIZES[network][0])
    kept = expected(case)
    assert kept is not None
    assert (kept.trainable, kept.non_trainable) == (PUBLISHED[network].trainable, PUBLISHED[network].non_trainable)
    assert len(kept.logits_sketch) == 64
    assert shortcoming(case, kept)[0] is None
    if workload == "train":
        assert len(kept.losses) == len(kept.losses_fp64) == 4
        assert len(kept.evaluated_fp64) == 64


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
def test_other_evidence_and_missing_evidence_are_told(case, name, change, words):
    kept = expected(case)
    other = change(getattr(kept, name)) if change else None
    reason, _ = shortcoming(case, replace(kept, **{name: other}))
    assert words in reason


def test_logits_are_the_same_in_every_batch_and_losses_are_not():
    assert expected(replace(INFER, batch_size=7)) == expected(INFER)
    assert expected(replace(TRAIN, batch_size=7)) is None


def test_where_nothing_is_kept_it_says_so_and_evidence_is_wanted_all_the_same():
    case = replace(INFER, input_size=128)
    reason, compared = shortcoming(case, expected(INFER))
    assert reason is None
    assert compared == "NOT COMPARED: the stored evidence is of infer resnet18 224px seed 25, fp32"
    assert "no evidence" in shortcoming(case, Check())[0]


def test_other_workloads_are_compared_by_a_run():
    assert shortcoming(Case("load", "cpu", batch_size=2, seed=25), Check()) == (
        None,
        "NOT COMPARED: there is no stored evidence of load; make bench PROFILE=line compares frameworks",
    )
