"""Threads, device and precision in ONNX Runtime: checked before anything runs, and read back for the record."""

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper
from onnxruntime.capi.onnxruntime_pybind11_state import EPFail, Fail, RuntimeException

from runners.harness.workload import Invalid, Request, Seen, Unsupported
from runners.onnxruntime.graph import INPUT, IR_VERSION, OPSET, OUTPUT
from runners.onnxruntime.session import PROVIDERS, TUNED, bind, open_session
from runners.reference.precision import precision
from runners.reference.rounding import SIDE, multiplies_in_tf32

NO_MEMORY = ("bad_alloc", "Failed to allocate memory", "smaller than requested bytes", "out of memory", "ALLOC_FAILED")
"""Parts of messages for full memory: ONNX Runtime has no exception class for it."""


def configure(request: Request) -> None:
    """Check the device with a product. Raises Invalid, and Unsupported for cases that ONNX Runtime cannot compute."""
    case = request.case
    if case.device == "cpu" and case.precision == "fp16":
        raise Unsupported("on a CPU, ONNX Runtime always computes convolutions in float32; use a GPU")
    if case.device == "gpu":
        if PROVIDERS["gpu"] not in ort.get_available_providers():
            raise Invalid("DEVICE", "a GPU was requested, this ONNX Runtime is built for CPUs; make images DEVICE=gpu")
        ort.preload_dlls()  # CUDA and cuDNN are Python packages, which the loader does not search
    _rounds_to_tf32(request)  # a first computation, before anything is measured


def seen(request: Request, session: ort.InferenceSession, logits: ort.OrtValue, parameters: str) -> Seen:
    """The settings in effect, read back from the session and its `logits`.

    `parameters` is the number format of the graph's initializers, which a session does not report.
    """
    options, provider = session.get_session_options(), session.get_providers()[0]
    places = {"gpu" if "CUDA" in name.upper() else "cpu" for name in (provider, logits.device_name())}
    on_gpu, given = places == {"gpu"}, session.get_provider_options()[provider]
    return Seen(
        device="+".join(sorted(places)),
        precision=precision([logits.numpy().dtype]),
        threads_intra=options.intra_op_num_threads,
        threads_inter=options.inter_op_num_threads,
        layout="NCHW" if session.get_inputs()[0].shape[1] == 3 else "NHWC",
        parameters=parameters,
        tf32=_rounds_to_tf32(request) if on_gpu else None,
        settings={
            "provider": provider,
            "optimization": options.graph_optimization_level.name,
            "execution": options.execution_mode.name,
            **{key.rpartition(".")[2]: _entry(options, key) for key in TUNED},
            **{name: given[name] for name in ("cudnn_conv_algo_search", "enable_cuda_graph") if name in given},
        },
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is ONNX Runtime's error for full memory."""
    own = isinstance(error, (RuntimeError, RuntimeException, Fail, EPFail))
    return own and any(words in str(error) for words in NO_MEMORY)


def _rounds_to_tf32(request: Request) -> bool:
    """Whether a float32 product on the device rounds its factors to TF32. Raises Invalid if the product is wrong."""
    tensors = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [SIDE, SIDE]) for name in (INPUT, OUTPUT))
    node = helper.make_node("MatMul", [INPUT, INPUT], [OUTPUT])
    graph = helper.make_graph([node], "product", [next(tensors)], [next(tensors)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    session = open_session(request, model.SerializeToString())

    def squared(matrix: np.ndarray) -> np.ndarray:
        binding, _, product = bind(request, session, matrix)
        session.run_with_iobinding(binding)
        return product.numpy()

    return multiplies_in_tf32(squared)


def _entry(options: ort.SessionOptions, key: str) -> str:
    try:
        return options.get_session_config_entry(key)
    except RuntimeError:  # it was not set
        return "default"
