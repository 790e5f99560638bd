"""ONNX Runtime does the work that PyTorch does, and doing it otherwise is noticed."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runners.harness.agreement import LOGITS_TOLERANCE, disagreement, relative_error
from runners.harness.cli import main
from runners.harness.record import Check
from runners.onnxruntime.framework import FRAMEWORK
from runners.reference.counts import PUBLISHED
from runners.reference.layers import CLASSES, SIZES

ROOT = Path(__file__).resolve().parents[2]
SIDES = {**dict.fromkeys(CLASSES, (64,)), "cnn4": (32,), "vgg16": SIZES["vgg16"]}
CASES = [(network, side) for network, sides in SIDES.items() for side in sides]
MISTAKES = {
    "keras_epsilon": ("resnet18", 64),
    "padded_as_same": ("resnet18", 64),
    "strided_late": ("resnet18", 64),
    "bias_off": ("resnet18", 64),
    "disjoint_bins": ("vgg16", 128),
}

venvs = pytest.mark.venvs


def job(network="resnet18", size=64, **other):
    return {"workload": "infer", "variant": "ort", "network": network, "batch": 1, "size": size, **other}


@pytest.fixture(scope="module")
def ask():
    """ask(jobs): the answers of tests/runners/probe_onnxruntime.py."""

    def answers(jobs):
        command = [ROOT / ".venvs/onnxruntime/bin/python", Path(__file__).with_name("probe_onnxruntime.py")]
        # The probe imports ONNX Runtime before the runner, which turns its telemetry off, is imported.
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "ORT_DISABLE_TELEMETRY": "1"}
        done = subprocess.run(
            [*command, json.dumps(jobs)], capture_output=True, text=True, env=environment, cwd=ROOT, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return answers


@pytest.fixture(scope="module")
def both(ask, carry_out):
    """The answers of both runners as they are, asked side by side."""
    with ThreadPoolExecutor() as pool:
        ours = pool.submit(ask, [job(*case) for case in CASES])
        theirs = pool.submit(carry_out, "pytorch", [job(*case, variant="eager") for case in CASES])
    return [dict(zip(CASES, answers.result(), strict=True)) for answers in (ours, theirs)]


@pytest.fixture(scope="module")
def right(both):
    """{(network, side): answer} of ONNX Runtime."""
    return both[0]


@pytest.fixture(scope="module")
def torch(both):
    """The same of PyTorch."""
    return both[1]


@pytest.fixture(scope="module")
def wrong(ask):
    """{mistake: answer} of runners with one thing done wrong."""
    others = dict.fromkeys(("weights_nan", "layer missing", "layer too many", "other_threads", "fallen back"))
    places = {**MISTAKES, **dict.fromkeys(others, ("resnet18", 64))}
    answers = ask([job(*place, otherwise=mistake) for mistake, place in places.items()])
    return dict(zip(places, answers, strict=True))


def check(answer):
    assert "check" in answer, answer
    return Check(**answer["check"])


@venvs
@pytest.mark.parametrize(("network", "side"), CASES)
def test_logits_agree_with_pytorch(right, torch, network, side):
    ours, theirs = check(right[network, side]), check(torch[network, side])
    assert relative_error(ours.logits_sketch, theirs.logits_sketch) <= LOGITS_TOLERANCE["fp32"] / 10
    assert disagreement(ours, theirs, "fp32", "infer") is None
    assert (ours.trainable, ours.non_trainable) == (PUBLISHED[network].trainable, PUBLISHED[network].non_trainable)
    assert right[network, side]["cost"] == torch[network, side]["cost"]


@venvs
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_graph_is_noticed(wrong, torch, mistake):
    assert "logits" in (disagreement(check(wrong[mistake]), check(torch[MISTAKES[mistake]]), "fp32", "infer") or "")


@venvs
@pytest.mark.parametrize(
    ("mistake", "kind", "words"),
    [
        ("weights_nan", "LOGITS", "not finite"),
        ("layer missing", "PARAMETERS", "layer3.1.conv2"),
        ("layer too many", "PARAMETERS", "layer5"),
        ("other_threads", "THREADS", "1 threads asked for, ONNX Runtime uses 2 and 2"),
        ("fallen back", "DEVICE", "CPUExecutionProvider was used"),
    ],
)
def test_what_is_not_the_case_s_work_stops_the_replicate(wrong, mistake, kind, words):
    assert wrong[mistake]["error"] == kind
    assert words in wrong[mistake]["message"]


@venvs
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


@venvs
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


@venvs
def test_a_half_precision_graph_is_the_same_network(ask, right):
    """Only a GPU computes it; a CPU, which converts, shows that the graph is right and how its precision is seen."""
    networks = ("mobilenet_v2", "efficientnet_b0")
    answers = ask([job(network, precision="fp16", otherwise="nothing asserted") for network in networks])
    for network, answer in zip(networks, answers, strict=True):
        assert disagreement(check(answer), check(right[network, 64]), "fp16", "infer") is None
        assert relative_error(check(answer).logits_sketch, check(right[network, 64]).logits_sketch) > 1e-5
        assert (answer["effective"]["precision"], answer["effective"]["settings"]["parameters"]) == ("fp16", "fp16")


@venvs
def test_what_it_cannot_do_says_why(ask):
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
    assert (half["error"], "float32" in half["message"]) == ("Unsupported", True)
    assert (gpu["error"], "make images DEVICE=gpu" in gpu["message"]) == ("DEVICE", True)
    assert (unloadable["error"], "CUDA does not take the whole graph" in unloadable["message"]) == ("DEVICE", True)
    assert unseen["error"] == "DEVICE"
    assert "can use none (CUDA failure 100: no CUDA-capable device is detected); check the driver" in unseen["message"]
    assert full["error"] == "OutOfMemory"
    assert batch["error"] == "OutOfMemory"


@venvs
def test_its_own_allocator_is_understood(ask):
    assert ask(["allocate"])[0]["error"] == "OutOfMemory"


@venvs
def test_weights_are_let_go_before_the_clock(right):
    assert right["vgg16", 224]["held_bytes"] < 4 * PUBLISHED["vgg16"].trainable / 4


@venvs
def test_nothing_is_reported_to_its_makers(tmp_path):
    """With its telemetry on, ONNX Runtime keeps an identity and a queue of events below the home folder."""
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
def test_what_it_does_not_offer_is_refused(capsys, arguments, words):
    with pytest.raises(SystemExit) as refused:
        main(FRAMEWORK, arguments)
    assert refused.value.code == 2
    assert words in capsys.readouterr().err
