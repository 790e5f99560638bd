"""ONNX Runtime does the same work as PyTorch, and mistakes are noticed."""

import os
import subprocess

import pytest
from needs import ROOT
from published_counts import PUBLISHED

from runners.harness.agreement import disagreement, relative_error
from runners.harness.cli import main
from runners.harness.record import Check
from runners.onnxruntime.framework import FRAMEWORK

RIGHT = (("cnn4", 32), ("resnet18", 64), ("vgg16", 128), ("vgg16", 224), ("mobilenet_v2", 64), ("efficientnet_b0", 64))
real = pytest.mark.frameworks("onnxruntime")
pytestmark = pytest.mark.timeout(300)


def job(network="resnet18", size=64, **other):
    return {"workload": "infer", "variant": "ort", "network": network, "batch": 1, "size": size, **other}


@pytest.fixture(scope="module")
def ask(carry_out):
    """ask(jobs): the answers from tests/runners/probe_onnxruntime.py."""
    return lambda jobs: carry_out("onnxruntime", jobs)


@pytest.fixture(scope="module")
def right(ask):
    """{(network, side): answer} of the unchanged runner; tests/runners/test_same_work.py compares it with PyTorch's."""
    return dict(zip(RIGHT, ask([job(*case) for case in RIGHT]), strict=True))


def check(answer):
    assert "check" in answer, answer
    return Check(**answer["check"])


@real
def test_a_wrong_number_of_threads_stops_the_replicate(ask):
    [answer] = ask([job("cnn4", 32, otherwise="other_threads")])
    assert (answer["error"], answer["message"]) == ("THREADS", "1 threads were requested, threads_intra is 2")


@real
def test_settings_are_read_back(right):
    effective = right["cnn4", 32]["effective"]
    assert (effective["device"], effective["threads_intra"], effective["threads_inter"]) == ("cpu", 1, 1)
    assert (effective["precision"], effective["layout"], effective["tf32"]) == ("fp32", "NCHW", None)
    assert effective["settings"] == {
        "parameters": "fp32",
        "provider": "CPUExecutionProvider",
        "optimization": "ORT_ENABLE_ALL",
        "execution": "ORT_SEQUENTIAL",
        "set_denormal_as_zero": "default",
        "dynamic_block_base": "default",
    }


@real
def test_other_variants_scopes_and_batches_give_the_same_logits(ask, right):
    jobs = [
        job("cnn4", 32, variant=variant, scope=scope, batch=batch)
        for variant in ("ort", "tuned")
        for scope in ("compute", "transfer+compute")
        for batch in (1, 3)
    ]
    usual = check(right["cnn4", 32]).logits_sketch
    for asked, answer in zip(jobs, ask(jobs), strict=True):
        assert relative_error(check(answer).logits_sketch, usual) <= 1e-6, asked
        assert (
            answer["effective"]["settings"]["dynamic_block_base"] == {"ort": "default", "tuned": "4"}[asked["variant"]]
        )
        assert answer["items"] == asked["batch"]


@real
def test_a_half_precision_graph_is_the_same_network(ask, right):
    """Only a GPU computes in half precision. A CPU converts, but shows that the graph and its precision are right."""
    networks = ("mobilenet_v2", "efficientnet_b0")
    answers = ask([job(network, precision="fp16", otherwise="nothing asserted") for network in networks])
    for network, answer in zip(networks, answers, strict=True):
        assert disagreement(check(answer), check(right[network, 64]), "fp16", "infer") is None
        assert relative_error(check(answer).logits_sketch, check(right[network, 64]).logits_sketch) > 1e-5
        assert (answer["effective"]["precision"], answer["effective"]["settings"]["parameters"]) == ("fp16", "fp16")


@real
def test_impossible_cases_have_a_reason(ask):
    half, gpu, unloadable, unseen, full, batch = ask(
        [
            job(precision="fp16"),
            job(device="gpu"),
            job(device="gpu", otherwise="nothing asserted"),
            job(device="gpu", otherwise="no device"),
            job(device="gpu", otherwise="full device"),
            job("cnn4", 32, batch=10**12),
        ]
    )
    assert (half["error"], "float32" in half["message"]) == ("UNSUPPORTED", True)
    assert (gpu["error"], "make images DEVICE=gpu" in gpu["message"]) == ("DEVICE", True)
    assert (unloadable["error"], "CUDA does not take the whole graph" in unloadable["message"]) == ("DEVICE", True)
    assert unseen["error"] == "DEVICE"
    assert "can use none (CUDA failure 100: no CUDA-capable device is detected); check the driver" in unseen["message"]
    assert full["error"] == "OOM(gpu)"
    assert batch["error"] == "OOM(host)"


@real
def test_errors_of_its_allocator_count_as_full_memory(ask):
    assert ask(["allocate"]) == [["OOM(host)", "OOM(host)"]]


@real
def test_weights_are_freed_before_the_clock(right):
    assert right["vgg16", 224]["held_bytes"] < 4 * PUBLISHED["vgg16"].trainable / 4


@real
def test_no_telemetry_is_sent(tmp_path):
    """With telemetry on, ONNX Runtime would store an identity and a queue of events in the home folder."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "XDG_CACHE_HOME")}
    command = [ROOT / ".venvs/onnxruntime/bin/python", "-m", "runners.onnxruntime", "infer", "--network", "cnn4"]
    subprocess.run(
        [*command, "--check"], env={**environment, "HOME": str(tmp_path)}, cwd=ROOT, capture_output=True, check=True
    )
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--network", "cnn4"], "unknown workload 'train'"),
        (["infer", "--precision", "bf16"], "unknown precision 'bf16'"),
        (["infer", "--precision", "tf32"], "a CPU has no TF32"),
    ],
)
def test_options_that_it_does_not_offer_are_refused(capsys, arguments, words):
    with pytest.raises(SystemExit) as refused:
        main(FRAMEWORK, arguments)
    assert refused.value.code == 2
    assert words in capsys.readouterr().err
