"""All frameworks do the same work, and mistakes are noticed."""

import pytest
from mistakes import INFERRING, INFERRING_CONVNEXT
from needs import KNOWN, ROOT, frameworks
from published_counts import PUBLISHED

from launcher.plan.discovery import discover
from runners.harness.agreement import LOGITS_TOLERANCE, LOSS_STEPS, disagreement, relative_error
from runners.harness.record import Check
from runners.reference.layers import CLASSES, SIZES

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

WITNESS = "pytorch"
"""The framework with torchvision's own networks. All others are compared with it."""
FOUND = {name: found.declaration for name, found in discover(ROOT).items() if found.declaration}
DECLARED = {name: declaration.workloads for name, declaration in FOUND.items()}
INFER, TRAIN = ([name for name in KNOWN if workload in DECLARED[name]] for workload in ("infer", "train"))
NETWORKS = {"cnn4": (4, 32), "resnet18": (2, 64), "mobilenet_v2": (1, 64)}
DEEPER = ("resnet50", "efficientnet_b0", "convnext_tiny")
"""Networks that are also trained: with bottlenecks, with squeeze-and-excitation, and with layer norms."""
SMALL = [(network, {"cnn4": 32, "vit_b_16": 224}.get(network, 64)) for network in CLASSES]
"""Each network at a small size; ViT has only one size."""
POOLED = [("vgg16", size) for size in SIZES["vgg16"]]
"""The network whose pooling depends on the input size, also at its other sizes."""
EVERY_VERB = [place for place in SMALL if place[0] in (*NETWORKS, *DEEPER, "vit_b_16")] + [("vgg16", 128)]
"""Enough networks to use each verb, for frameworks that take part only by name."""
TIMED_ONLY = {"pytorch": ["wrong_rate"], "tensorflow": ["wrong_rate", "last_layer_left_out"]}
"""Mistakes that the float64 run does not share."""
MISTAKES = ("keras_epsilon", "padded_as_same", "strided_late", "bias_off")
MISTAKES_IN_TOKENS = {
    "convnext_tiny": ("layer_epsilon", "tanh_gelu"),
    "vit_b_16": ("layer_epsilon", "tanh_gelu", "unscaled", "other_heads"),
}
IN_TOKENS = [(network, mistake) for network, mistakes in MISTAKES_IN_TOKENS.items() for mistake in mistakes]


def inferred(framework):
    """(network, size) to infer: every network at a small size, and VGG16 at each of its sizes."""
    return EVERY_VERB if FOUND[framework].by_name else SMALL + POOLED


def trained(framework):
    """(network, size) to train."""
    return tuple(NETWORKS) if FOUND[framework].by_name else (*NETWORKS, *DEEPER)


def walks(framework):
    """Whether the framework uses the walk, into which a test can put mistakes from outside."""
    return any("runners.reference.walk" in path.read_text() for path in (ROOT / "runners" / framework).glob("*.py"))


def each(names, entries):
    """(framework, entry) as parameters, for each entry of its list. Each needs the framework's environment."""
    return [
        pytest.param(name, entry, id=f"{name}-{entry}", marks=pytest.mark.frameworks(name))
        for name in names
        if name != WITNESS
        for entry in entries(name)
    ]


def job(framework, workload, network, size=None, mistake=None, variant=None):
    usual = NETWORKS.get(network, (2, 64))
    return {
        "workload": workload,
        "variant": variant or DECLARED[framework][workload].variants[0],
        "network": network,
        "batch": usual[0] if size in (None, usual[1]) else 1,
        "size": size or usual[1],
        "mistake": mistake,
    }


@pytest.fixture(scope="module")
def right(carry_out):
    """right(framework, workload): {(network, size): answer} of the unchanged runner, asked once."""
    found = {}

    def of(framework, workload):
        if (framework, workload) not in found:
            places = inferred(framework) if workload == "infer" else [(name, None) for name in trained(framework)]
            jobs = [job(framework, workload, *place) for place in places]
            keys = [(entry["network"], entry["size"]) for entry in jobs]
            found[framework, workload] = dict(zip(keys, carry_out(framework, jobs), strict=True))
        return found[framework, workload]

    return of


@pytest.fixture(scope="module")
def wrong(carry_out):
    """{mistake: answer} of PyTorch's runners, each with one mistake."""
    mistakes = (*MISTAKES, "weights_nan", "layer missing")
    jobs = [job("pytorch", "infer", "resnet18", mistake=mistake) for mistake in mistakes]
    jobs.append(job("pytorch", "train", "resnet18", mistake="batch_norm_momentum"))
    return {entry["mistake"]: answer for entry, answer in zip(jobs, carry_out("pytorch", jobs), strict=True)}


def of_resnet18(right, framework, workload):
    return check(right(framework, workload)["resnet18", 64])


def check(answer):
    assert "check" in answer, answer
    return Check(**answer["check"])


@pytest.mark.frameworks(WITNESS)
@pytest.mark.parametrize(("framework", "place"), each(INFER, inferred))
def test_logits_agree(right, framework, place):
    network, size = place
    answers = [right(name, "infer")[network, size] for name in (framework, WITNESS)]
    ours, theirs = map(check, answers)
    assert relative_error(ours.logits_sketch, theirs.logits_sketch) <= LOGITS_TOLERANCE["fp32"] / 10
    assert disagreement(ours, theirs, "fp32", "infer") is None
    assert (ours.trainable, ours.non_trainable) == (PUBLISHED[network].trainable, PUBLISHED[network].non_trainable)
    assert ours.weights_digest == theirs.weights_digest
    assert answers[0]["cost"] == answers[1]["cost"]


@pytest.mark.frameworks(WITNESS)
@pytest.mark.parametrize(("framework", "network"), each(TRAIN, trained))
def test_losses_agree(right, framework, network):
    size = NETWORKS.get(network, (2, 64))[1]
    ours, theirs = (check(right(name, "train")[network, size]) for name in (framework, WITNESS))
    assert disagreement(ours, theirs, "fp32", "train") is None
    assert len(ours.losses) == len(theirs.losses) == max(LOSS_STEPS) + 1
    # In float64 rounding plays no part, so this compares the definition of the step.
    assert ours.losses_fp64 == pytest.approx(theirs.losses_fp64, rel=1e-6)
    assert relative_error(ours.evaluated_fp64, theirs.evaluated_fp64) <= 2e-6
    assert ours.loss_first == ours.losses[0]
    assert ours.loss_last == ours.losses[-1] < ours.losses[0]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("framework", frameworks(*TRAIN))
def test_training_and_inference_start_from_the_same_weights(right, framework, network):
    place = network, NETWORKS[network][1]
    trained, inferred = (check(right(framework, workload)[place]) for workload in ("train", "infer"))
    assert relative_error(trained.logits_sketch, inferred.logits_sketch) <= 1e-5


@pytest.mark.parametrize(("framework", "mistake"), each(filter(walks, INFER), lambda _: INFERRING))
def test_a_mistake_in_a_walk_is_noticed(carry_out, right, framework, mistake):
    [answer] = carry_out(framework, [job(framework, "infer", "resnet18", mistake=mistake)])
    reason = disagreement(check(answer), of_resnet18(right, framework, "infer"), "fp32", "infer")
    assert "logits" in (reason or "")


@pytest.mark.parametrize(("framework", "mistake"), each(filter(walks, INFER), lambda _: INFERRING_CONVNEXT))
def test_a_mistake_in_a_walk_with_layer_norms_is_noticed(carry_out, right, framework, mistake):
    [answer] = carry_out(framework, [job(framework, "infer", "convnext_tiny", mistake=mistake)])
    honest = check(right(framework, "infer")["convnext_tiny", 64])
    assert "logits" in (disagreement(check(answer), honest, "fp32", "infer") or "")


@pytest.mark.frameworks("pytorch")
@pytest.mark.parametrize(("network", "mistake"), IN_TOKENS)
def test_a_mistake_in_tokens_is_noticed(carry_out, right, network, mistake):
    size = dict(SMALL)[network]
    [answer] = carry_out("pytorch", [job("pytorch", "infer", network, size, mistake=mistake)])
    honest = check(right("pytorch", "infer")[network, size])
    assert "logits" in (disagreement(check(answer), honest, "fp32", "infer") or "")


@pytest.mark.parametrize("framework", frameworks(*filter(walks, INFER)))
def test_a_nan_weight_stops_the_replicate(carry_out, framework):
    [answer] = carry_out(framework, [job(framework, "infer", "resnet18", mistake="weights_nan")])
    assert answer["error"] == "LOGITS"


@pytest.mark.parametrize("framework", frameworks(*filter(walks, TRAIN)))
def test_wrong_running_statistics_of_a_walk_are_noticed(carry_out, right, framework):
    [answer] = carry_out(framework, [job(framework, "train", "resnet18", mistake="momentum")])
    reason = disagreement(check(answer), of_resnet18(right, framework, "train"), "fp32", "train")
    assert "after training in float64" in (reason or "")


@pytest.mark.frameworks("pytorch", "tensorflow")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_network_is_noticed(right, wrong, mistake):
    honest = of_resnet18(right, "tensorflow", "infer")
    assert "logits" in (disagreement(check(wrong[mistake]), honest, "fp32", "infer") or "")


@pytest.mark.frameworks("pytorch", "tensorflow")
def test_wrong_running_statistics_are_noticed(right, wrong):
    honest = of_resnet18(right, "tensorflow", "train")
    reason = disagreement(check(wrong["batch_norm_momentum"]), honest, "fp32", "train")
    assert "after training in float64" in (reason or "")


@pytest.mark.frameworks(*TIMED_ONLY)
@pytest.mark.parametrize("framework", TIMED_ONLY)
def test_a_mistake_in_the_timed_step_alone_is_noticed(carry_out, right, framework):
    keys = [(network, mistake) for network in NETWORKS for mistake in TIMED_ONLY[framework]]
    answers = carry_out(framework, [job(framework, "train", network, mistake=mistake) for network, mistake in keys])
    [other] = set(TIMED_ONLY) - {framework}
    for (network, mistake), answer in zip(keys, answers, strict=True):
        honest = check(right(other, "train")[network, NETWORKS[network][1]])
        reason = disagreement(check(answer), honest, "fp32", "train")
        assert "loss after 1 " in (reason or ""), (network, mistake)


@pytest.mark.frameworks("pytorch")
def test_nan_logits_stop_the_replicate(wrong):
    assert wrong["weights_nan"]["error"] == "LOGITS"


@pytest.mark.frameworks("pytorch")
def test_a_missing_layer_stops_the_replicate(wrong):
    assert wrong["layer missing"]["error"] == "PARAMETERS"
    assert "layer3.1.conv2" in wrong["layer missing"]["message"]


@pytest.mark.parametrize("framework", frameworks("pytorch", "tensorflow"))
def test_settings_are_read_back(right, framework):
    effective = right(framework, "infer")["cnn4", 32]["effective"]
    assert (effective["device"], effective["threads_intra"], effective["threads_inter"]) == ("cpu", 1, 1)
    assert (effective["precision"], effective["layout"]) == (
        "fp32",
        {"pytorch": "NCHW", "tensorflow": "NHWC"}[framework],
    )


@pytest.mark.parametrize("framework", frameworks(*INFER))
def test_the_cpu_never_replaces_a_missing_gpu(carry_out, framework):
    """The probes see no GPU on any machine."""
    [answer] = carry_out(framework, [{**job(framework, "infer", "cnn4"), "device": "gpu"}])
    assert answer["error"] == "DEVICE"


@pytest.mark.frameworks("tensorflow")
def test_tensorflow_eager_agrees_with_graph(carry_out, right):
    [answer] = carry_out("tensorflow", [job("tensorflow", "train", "cnn4", variant="eager")])
    assert disagreement(check(answer), check(right("tensorflow", "train")["cnn4", 32]), "fp32", "train") is None


@pytest.mark.frameworks("pytorch")
def test_compile_names_its_missing_requirement(carry_out):
    [answer] = carry_out("pytorch", [{**job("pytorch", "infer", "cnn4", variant="compile"), "path": "/nowhere"}])
    assert answer["error"] == "UNSUPPORTED"
    assert "C++ compiler" in answer["message"]


@pytest.mark.frameworks("pytorch")
def test_a_batch_larger_than_memory_is_out_of_memory(carry_out):
    [answer] = carry_out("pytorch", [{**job("pytorch", "infer", "cnn4"), "batch": 10**12}])
    assert answer["error"] == "OOM(host)"


@pytest.mark.parametrize("framework", frameworks("pytorch", "tensorflow"))
def test_errors_of_the_framework_s_allocator_count_as_full_memory(carry_out, framework):
    [answer] = carry_out(framework, [{**job(framework, "infer", "cnn4"), "allocate": 10**14}])
    assert answer["error"] == "OOM(host)"
