"""Opens a session: on the request's device alone, with the request's threads, default or tuned."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from runners.harness.workload import Invalid, Request

PLACES = {"cpu": "cpu", "gpu": "cuda"}
PROVIDERS = {"cpu": "CPUExecutionProvider", "gpu": "CUDAExecutionProvider"}
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
TUNED = {"session.set_denormal_as_zero": "1", "session.dynamic_block_base": "4"}
"""Documented switches for a CPU. The switch against spinning threads is not among them: it helps only on a busy
machine; on a quiet machine, steps of one or two milliseconds take a fifth to a half longer with it."""

NO_DEVICE = re.compile(r"CUDA failure (?!2:)\d+: [^;\n]*[^;\s]")
"""The part of CUDA's long message that says why no GPU can be used. Failure 2 means full memory."""


def open_session(
    request: Request, model: Path | bytes, sizes: Mapping[str, int] = MappingProxyType({})
) -> ort.InferenceSession:
    """A session on the request's device. `sizes` fixes dimensions that the model leaves open. Raises Invalid.

    By default execution is sequential and all graph optimisations are on; the record's `effective` shows both.
    """
    case, tuned = request.case, request.competitor.variant == "tuned"
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = request.threads
    for name, size in sizes.items():
        options.add_free_dimension_override_by_name(name, size)
    provider: dict[str, str] = {}
    if case.device == "gpu":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        provider = {"cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": str(int(case.precision == "tf32"))}
        if tuned and case.scope == "compute":  # a captured graph reads its input from one address
            provider["enable_cuda_graph"] = "1"
    elif tuned:
        for key, value in TUNED.items():
            options.add_session_config_entry(key, value)
    providers = [(PROVIDERS[case.device], provider)]
    try:
        return ort.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except Fail as error:
        # If CUDA cannot be loaded, ONNX Runtime only warns and puts the graph on the CPU.
        if "assigned to the default CPU EP" in str(error):
            raise Invalid("DEVICE", f"a GPU was requested, CUDA does not take the whole graph: {error}") from error
        raise
    except RuntimeError as error:
        reason = NO_DEVICE.search(str(error)) if case.device == "gpu" else None
        if reason is None:
            raise
        message = f"a GPU was requested, ONNX Runtime can use none ({reason[0]}); check the driver, or use the CPU"
        raise Invalid("DEVICE", message) from error


def bind(
    request: Request, session: ort.InferenceSession, images: np.ndarray
) -> tuple[ort.IOBinding, ort.OrtValue, ort.OrtValue | None]:
    """Bind the session's input and output to memory on the request's device. Returns (binding, input, output).

    The input holds `images`; on a CPU it shares their memory. The output is None if the session does not know its
    shape; then each run makes one.
    """
    place = PLACES[request.case.device]
    [[images_input], [result]] = session.get_inputs(), session.get_outputs()
    given, computed = ort.OrtValue.ortvalue_from_numpy(images, place, 0), None
    binding = session.io_binding()
    binding.bind_ortvalue_input(images_input.name, given)
    if all(isinstance(size, int) for size in result.shape):
        computed = ort.OrtValue.ortvalue_from_shape_and_type(result.shape, TYPES[result.type], place, 0)
        binding.bind_ortvalue_output(result.name, computed)
    else:
        binding.bind_output(result.name, place)
    return binding, given, computed
