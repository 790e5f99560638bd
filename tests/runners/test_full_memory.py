"""Every framework's own errors for full memory are told from its other errors."""

import json
import subprocess

import pytest
from needs import ROOT, frameworks

pytestmark = pytest.mark.timeout(120)

MAKERS = {
    "jax": "import jax; make = jax.errors.JaxRuntimeError",
    "onnxruntime": "from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException as make",
    "pytorch": "make = RuntimeError",
    "tensorflow": "import tensorflow as tf; make = lambda text: tf.errors.InternalError(None, None, text)",
}
FULL = {
    "jax": [
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 5520758552 bytes.",
        "RESOURCE_EXHAUSTED: Failed to allocate request for 176.00MiB (184549376B) on device ordinal 0",
        "INTERNAL: Failed to execute XLA Runtime executable: CUDNN_STATUS_ALLOC_FAILED",
    ],
    "onnxruntime": [
        "[ONNXRuntimeError] : 6 : bfc_arena.cc:376 onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) "
        "Failed to allocate memory for requested buffer of size 2830172160",
        "onnxruntime::BFCArena::AllocateRawInternal Available memory of 0 is smaller than requested bytes of 135383040",
        "CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0",
    ],
    "pytorch": [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: out of memory",
    ],
    "tensorflow": [
        "Failed to load in-memory CUBIN: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 16777716 bytes.",
        "failed to allocate 2.00G (2147483648 bytes) from device",
        "OOM when allocating tensor with shape[64,256,56,56]",
    ],
}
ASK = """
import json, sys
from runners.harness.faults import fault
{maker}
print(json.dumps([fault({framework!r}, "gpu", make(text))[1].kind for text in json.loads(sys.argv[1])]))
"""


@pytest.mark.parametrize("framework", frameworks(*MAKERS))
def test_an_error_for_full_memory_is_known(framework: str) -> None:
    texts = [*FULL[framework], "something else went wrong"]
    script = ASK.format(maker=MAKERS[framework], framework=framework)
    command = [ROOT / ".venvs" / framework / "bin" / "python", "-c", script, json.dumps(texts)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    kinds = json.loads(done.stdout.splitlines()[-1])
    assert kinds == [*["OOM(gpu)"] * len(FULL[framework]), "ERROR"]
