"""Both frameworks do the same work, and doing it otherwise is noticed."""

import pytest

from runners.harness.agreement import LOGITS_TOLERANCE, LOSS_STEPS, disagreement, relative_error
from runners.harness.record import Check
from runners.reference.counts import PUBLISHED
from runners.reference.layers import CLASSES

pytestmark = pytest.mark.venvs

NETWORKS = {"cnn4": (4, 32), "resnet18": (2, 64), "mobilenet_v2": (1, 64)}
OTHERS = tuple(name for name in CLASSES if name not in NETWORKS)
DEEPER = ("resnet50", "efficientnet_b0")
"""Trained as well: a bottleneck, and squeeze-and-excitation."""
VARIANTS = {"pytorch": "eager", "tensorflow": "graph"}
TIMED_ONLY = {"pytorch": ["wrong_rate"], "tensorflow": ["wrong_rate", "last_layer_left_out"]}
"""Mistakes that the float64 run does not make too."""
MISTAKES = ("keras_epsilon", "padded_as_same", "strided_late", "bias_off")


def job(workload, network, variant, mistake=None):
    batch, size = NETWORKS.get(network, (2, 64))
    return {
        "workload": workload,
        "variant": variant,
        "network": network,
        "batch": batch,
        "size": size,
        "mistake": mistake,
    }


@pytest.fixture(scope="module")
def right(carry_out):
    """{framework: {(workload, network): answer}} of the runners as they are."""
    keys = [(workload, network) for network in NETWORKS for workload in ("infer", "train")]
    keys += [*(("infer", network) for network in OTHERS), *(("train", network) for network in DEEPER)]
    found = {}
    for framework, variant in VARIANTS.items():
        answers = carry_out(framework, [job(workload, network, variant) for workload, network in keys])
        found[framework] = dict(zip(keys, answers, strict=True))
    return found


@pytest.fixture(scope="module")
def wrong(carry_out):
    """{mistake: answer} of PyTorch runners with one thing done wrong."""
    jobs = [job("infer", "resnet18", "eager", mistake) for mistake in (*MISTAKES, "weights_nan", "layer missing")]
    jobs.append(job("train", "resnet18", "eager", "batch_norm_momentum"))
    return {entry["mistake"]: answer for entry, answer in zip(jobs, carry_out("pytorch", jobs), strict=True)}


def check(answer):
    assert "check" in answer, answer
    return Check(**answer["check"])


@pytest.mark.parametrize("network", CLASSES)
def test_logits_agree(right, network):
    ours, theirs = (check(right[framework]["infer", network]) for framework in VARIANTS)
    assert relative_error(ours.logits_sketch, theirs.logits_sketch) <= LOGITS_TOLERANCE["fp32"] / 10
    assert disagreement(ours, theirs, "fp32", "infer") is None
    assert (ours.trainable, ours.non_trainable) == (PUBLISHED[network].trainable, PUBLISHED[network].non_trainable)
    assert ours.weights_digest == theirs.weights_digest


@pytest.mark.parametrize("network", [*NETWORKS, *DEEPER])
def test_losses_agree(right, network):
    ours, theirs = (check(right[framework]["train", network]) for framework in VARIANTS)
    assert disagreement(ours, theirs, "fp32", "train") is None
    assert len(ours.losses) == len(theirs.losses) == max(LOSS_STEPS) + 1
    # In float64 nothing is left to rounding: what is compared is the definition itself.
    assert ours.losses_fp64 == pytest.approx(theirs.losses_fp64, rel=1e-6)
    assert relative_error(ours.evaluated_fp64, theirs.evaluated_fp64) <= 1e-6
    assert ours.loss_first == ours.losses[0]
    assert ours.loss_last == ours.losses[-1] < ours.losses[0]


@pytest.mark.parametrize("network", NETWORKS)
def test_training_starts_from_the_weights_that_inference_has(right, network):
    for framework in VARIANTS:
        trained, inferred = (check(right[framework][workload, network]) for workload in ("train", "infer"))
        assert relative_error(trained.logits_sketch, inferred.logits_sketch) <= 1e-5


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_network_is_noticed(right, wrong, mistake):
    honest = check(right["tensorflow"]["infer", "resnet18"])
    assert "logits" in (disagreement(check(wrong[mistake]), honest, "fp32", "infer") or "")


def test_other_running_statistics_are_noticed(right, wrong):
    honest = check(right["tensorflow"]["train", "resnet18"])
    reason = disagreement(check(wrong["batch_norm_momentum"]), honest, "fp32", "train")
    assert "after training in float64" in (reason or "")


@pytest.mark.parametrize("framework", TIMED_ONLY)
def test_a_mistake_in_the_timed_step_alone_does_not_excuse_itself(carry_out, right, framework):
    keys = [(network, mistake) for network in NETWORKS for mistake in TIMED_ONLY[framework]]
    answers = carry_out(framework, [job("train", network, VARIANTS[framework], mistake) for network, mistake in keys])
    [other] = set(VARIANTS) - {framework}
    for (network, mistake), answer in zip(keys, answers, strict=True):
        reason = disagreement(check(answer), check(right[other]["train", network]), "fp32", "train")
        assert "loss after 1 " in (reason or ""), (network, mistake)


def test_logits_that_are_no_numbers_stop_the_replicate(wrong):
    assert wrong["weights_nan"]["error"] == "LOGITS"


def test_a_missing_layer_stops_the_replicate(wrong):
    assert wrong["layer missing"]["error"] == "PARAMETERS"
    assert "layer3.1.conv2" in wrong["layer missing"]["message"]


@pytest.mark.parametrize("framework", VARIANTS)
def test_settings_are_read_back(right, framework):
    effective = right[framework]["infer", "cnn4"]["effective"]
    assert (effective["device"], effective["threads_intra"], effective["threads_inter"]) == ("cpu", 1, 1)
    assert (effective["precision"], effective["layout"]) == (
        "fp32",
        {"pytorch": "NCHW", "tensorflow": "NHWC"}[framework],
    )


@pytest.mark.parametrize("framework", VARIANTS)
def test_a_gpu_that_is_not_there_is_never_replaced_by_the_cpu(carry_out, framework):
    asked = {**job("infer", "cnn4", VARIANTS[framework]), "device": "gpu"}
    [answer] = carry_out(framework, [asked], CUDA_VISIBLE_DEVICES="-1")
    assert answer["error"] == "DEVICE"


def test_tensorflow_eager_agrees_with_graph(carry_out, right):
    [answer] = carry_out("tensorflow", [job("train", "cnn4", "eager")])
    assert disagreement(check(answer), check(right["tensorflow"]["train", "cnn4"]), "fp32", "train") is None


def test_compile_says_what_it_needs(carry_out):
    [answer] = carry_out("pytorch", [job("infer", "cnn4", "compile")], PATH="/nowhere")
    assert answer["error"] == "Unsupported"
    assert "C++ compiler" in answer["message"]


def test_a_batch_beyond_all_memory_is_named_so(carry_out):
    [answer] = carry_out("pytorch", [{**job("infer", "cnn4", "eager"), "batch": 10**12}])
    assert answer["error"] == "OutOfMemory"


@pytest.mark.parametrize("framework", VARIANTS)
def test_the_frameworks_own_allocator_is_understood(carry_out, framework):
    [answer] = carry_out(framework, [{**job("infer", "cnn4", VARIANTS[framework]), "allocate": 10**14}])
    assert answer["error"] == "OutOfMemory"
