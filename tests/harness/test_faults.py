"""Every error of a replicate ends in a status, a kind and a sentence."""

import multiprocessing
import os
import signal
import sys
import time
import types

import pytest

from runners.harness.faults import fault, is_out_of_memory
from runners.harness.importable import modules
from runners.harness.record import Status
from runners.harness.workload import Invalid


class Full(Exception):
    """The error of a framework for full memory."""


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    device = types.ModuleType("runners.fake.device")
    device.is_out_of_memory = lambda error: isinstance(error, Full)
    monkeypatch.setitem(sys.modules, "runners.fake", types.ModuleType("runners.fake"))
    monkeypatch.setitem(sys.modules, device.__name__, device)


@pytest.mark.parametrize(
    ("error", "device", "kind"),
    [
        (Full("no memory left"), "cpu", "OOM(host)"),
        (Full("no memory left"), "gpu", "OOM(gpu)"),
        (MemoryError(), "gpu", "OOM(host)"),
    ],
)
def test_full_memory_is_attributed_to_host_or_gpu(error, device, kind):
    status, failure = fault("fake", device, error)
    assert (status, failure.kind) == (Status.OOM, kind)
    assert failure.message


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "Failed to load in-memory CUBIN: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        "CUDA failure 2: out of memory ; GPU=0",
    ],
)
def test_what_cuda_calls_full_memory_is_that_of_the_gpu_in_every_framework(text):
    error = RuntimeError("a step failed")
    error.__cause__ = ValueError(text)
    status, failure = fault("nowhere", "gpu", error)
    assert (status, failure.kind) == (Status.OOM, "OOM(gpu)")


@pytest.mark.parametrize("text", ["CUBLAS_STATUS_NOT_INITIALIZED", "CUDNN_STATUS_EXECUTION_FAILED", "alloc failed"])
def test_other_errors_of_cuda_are_no_full_memory(text):
    assert not is_out_of_memory("nowhere", RuntimeError(text))


@pytest.mark.parametrize("text", ["[enforce fail] DefaultCPUAllocator: can't allocate", "std::bad_alloc"])
def test_a_run_on_a_gpu_can_fill_the_host_s_memory(text):
    assert fault("fake", "gpu", Full(text))[1].kind == "OOM(host)"


def test_an_error_caused_by_full_memory_counts_as_full_memory():
    error = Invalid("SAVE", "the model could not be saved")
    error.__cause__ = Full("no memory left")
    assert fault("fake", "cpu", error)[0] is Status.OOM
    assert not is_out_of_memory("fake", Invalid("SAVE", "the model could not be saved"))


def test_a_framework_that_is_not_installed_has_no_memory_error_of_its_own():
    assert not is_out_of_memory("nowhere", ValueError("x"))


@pytest.mark.parametrize(
    ("killed_by", "for_memory", "status", "kind"),
    [
        (signal.SIGKILL, False, Status.CRASHED, "CRASH(SIGKILL)"),
        (signal.SIGKILL, True, Status.OOM, "OOM(host)"),
        (signal.SIGSEGV, True, Status.CRASHED, "CRASH(SIGSEGV)"),
        (signal.SIGBUS, False, Status.CRASHED, "SHM"),
        (signal.SIGTERM, False, Status.FAILED, "ERROR"),
        (0, True, Status.FAILED, "ERROR"),
    ],
)
def test_an_error_after_a_worker_died_is_the_worker_s_death(killed_by, for_memory, status, kind, capsys):
    """A loader ends its own workers with SIGTERM, after any error."""
    worker = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60 if killed_by else 0,))
    worker.start()
    if killed_by:
        os.kill(worker.pid, killed_by)
    worker.join()
    found, failure = fault("fake", "cpu", RuntimeError("worker exited unexpectedly"), for_memory)
    assert (found, failure.kind) == (status, kind)
    assert "RuntimeError: worker exited unexpectedly" in failure.message
    assert capsys.readouterr().err
    assert fault("fake", "cpu", Invalid("PARITY", "other pixels"))[1].kind == "PARITY"


def test_an_unknown_error_keeps_the_end_of_its_traceback(capsys):
    try:
        raise ValueError("surprise")
    except ValueError as error:
        status, failure = fault("fake", "cpu", error)
    assert (status, failure.kind, failure.message) == (Status.FAILED, "ERROR", "ValueError: surprise")
    assert "raise ValueError" in failure.log_tail
    assert "surprise" in capsys.readouterr().err


def test_every_module_of_a_framework_except_main_is_imported():
    found = modules("jax")
    assert {"runners.jax.device", "runners.jax.infer"} <= set(found)
    assert "runners.jax.__main__" not in found
