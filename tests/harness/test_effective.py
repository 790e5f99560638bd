"""The settings that a framework reports are compared with the request."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runners.harness import nvidia
from runners.harness.case import Case, Competitor
from runners.harness.effective import effective
from runners.harness.nvidia import Gpu
from runners.harness.workload import Invalid, Request, Seen

CASE = Case("infer", "cpu", batch_size=1, seed=25, network="cnn4", input_size=32)
SEEN = Seen("cpu", "fp32", 2, 2, "NHWC", "fp32", settings={"xla": "off"})


def request(**changes) -> Request:
    return Request(replace(CASE, **changes), Competitor("fake", "only"), 2, Path(), Path())


def test_the_settings_in_effect_are_recorded():
    found, unknown = effective(request(), SEEN)
    assert (found.device, found.precision, found.threads_intra, found.threads_inter) == ("cpu", "fp32", 2, 2)
    assert found.settings == {"parameters": "fp32", "xla": "off"}
    assert (found.layout, found.gpu, unknown) == ("NHWC", None, {})


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"threads_intra": 1}, "THREADS", "2 threads were requested, threads_intra is 1"),
        ({"threads_inter": 7}, "THREADS", "threads_inter is 7"),
        ({"threads_inter": None}, "THREADS", "gives no reason"),
        ({"device": "gpu"}, "DEVICE", "cpu was requested, gpu was used"),
        ({"device": "cpu+gpu"}, "DEVICE", r"cpu\+gpu was used"),
        ({"precision": "bf16"}, "PRECISION", "fp32 was requested, bf16 is in effect"),
        ({"tf32": True}, "PRECISION", "fp32 was requested, tf32 is in effect"),
    ],
)
def test_settings_that_differ_from_the_request_are_invalid(changes, kind, words):
    with pytest.raises(Invalid, match=words) as refused:
        effective(request(), replace(SEEN, **changes))
    assert refused.value.kind == kind


def test_an_unknown_number_of_threads_needs_a_reason():
    found, unknown = effective(request(), replace(SEEN, threads_inter=None, unknown={"threads_inter": "not told"}))
    assert found.threads_inter is None
    assert unknown == {"effective.threads_inter": "not told"}


def test_a_loader_may_deliver_in_the_host_s_memory_for_any_device():
    found, _ = effective(request(workload="load", device="gpu", network=None), replace(SEEN, precision="uint8"))
    assert found.device == "cpu"


@pytest.mark.parametrize(
    ("changes", "settings", "words"),
    [
        ({"prefetch": 1}, {"prefetch_batches": "2"}, ""),
        ({"prefetch": 2}, {}, ""),
        ({"prefetch": 1}, {"prefetch_batches": "4"}, "2 ready batches were requested, the loader says 4"),
        ({"prefetch": 2}, {"prefetch_batches": "2"}, "4 ready batches were requested, the loader says 2"),
        ({"prefetch": 3}, {}, "6 ready batches were requested, the loader says nothing"),
        ({"gpu_copy": "variant"}, {}, ""),
        ({"gpu_copy": "piped"}, {"copied_by": "pipeline"}, ""),
        ({"gpu_copy": "piped"}, {}, "no stage that copies"),
    ],
)
def test_a_loader_has_the_queue_and_the_copy_of_its_case(changes, settings, words):
    asked = request(workload="load", network=None, workers=2, **changes)
    seen = replace(SEEN, settings=settings)
    if not words:
        assert effective(asked, seen)[0].settings == {"parameters": "fp32", **settings}
        return
    with pytest.raises(Invalid, match=words) as refused:
        effective(asked, seen)
    assert refused.value.kind == "LOADER"


@pytest.mark.parametrize(("wanted", "valid"), [("MIG-12ab", True), ("", True), ("GPU-34cd", False)])
def test_the_gpu_is_the_one_that_the_run_chose(monkeypatch, wanted, valid):
    """CUDA tells a UUID without its prefix, so that alone never differs."""
    monkeypatch.setattr(nvidia, "current", lambda: Gpu("?", "GPU-12ab", "GPU-12ab", ""))
    monkeypatch.setenv("LEVELFIELD_PROVENANCE", json.dumps({"gpu": wanted or None}))
    asked, seen = request(device="gpu"), replace(SEEN, device="gpu", gpu="card")
    if valid:
        found, _ = effective(asked, seen)
        assert (found.gpu, found.gpu_uuid) == ("card", "GPU-12ab")
    else:
        with pytest.raises(Invalid, match="GPU GPU-34cd was requested, GPU-12ab was used"):
            effective(asked, seen)


def test_a_gpu_that_nobody_names_is_unknown(monkeypatch):
    monkeypatch.setattr(nvidia, "current", lambda: None)
    found, unknown = effective(request(device="gpu"), replace(SEEN, device="gpu"))
    assert (found.gpu_uuid, "CUDA" in unknown["effective.gpu_uuid"]) == (None, True)


def test_a_gpu_that_rounds_to_tf32_computes_in_it():
    seen = replace(SEEN, device="gpu", tf32=True, gpu="card")
    assert effective(request(device="gpu", precision="tf32"), seen)[0].precision == "tf32"
