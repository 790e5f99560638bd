"""Threads, device and precision in ONNX Runtime: asserted before anything runs, read back for the record."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper
from onnxruntime.capi.onnxruntime_pybind11_state import EPFail, Fail, RuntimeException

from runners.harness.host import cgroup_cpu_quota, gpu_and_driver, shm_bytes, visible_cpus
from runners.harness.record import Effective
from runners.harness.workload import Invalid, OutOfMemory, Request, Unsupported
from runners.onnxruntime.graph import INPUT, IR_VERSION, OPSET, OUTPUT
from runners.onnxruntime.session import PLACES, PROVIDERS, TUNED, bind, open_session
from runners.reference.precision import precision

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

NO_MEMORY = ("bad_alloc", "Failed to allocate memory", "out of memory", "ALLOC_FAILED")
"""What is in the messages when memory is full: ONNX Runtime has no exception of its own for it."""

SIDE, FINE = 256, 1 + 2.0**-12
"""The tried product's side and factors: TF32, with ten bits after the point, rounds such a factor to 1."""


def configure(request: Request) -> None:
    """Assert the device by a product computed on it. Raises Invalid, and Unsupported for what it cannot do."""
    case = request.case
    if case.device == "cpu" and case.precision == "fp16":
        raise Unsupported("on a CPU ONNX Runtime computes convolutions in float32, whatever the model; use a GPU")
    if case.device == "gpu":
        if PROVIDERS["gpu"] not in ort.get_available_providers():
            raise Invalid("DEVICE", "a GPU was asked for, this ONNX Runtime is built for CPUs; make images DEVICE=gpu")
        ort.preload_dlls()  # CUDA and cuDNN are Python packages, where the loader does not look by itself
    _rounds_as_tf32(request)


def effective(request: Request, session: ort.InferenceSession, logits: ort.OrtValue, parameters: str) -> Effective:
    """The settings in effect, read back from the session and its `logits`. Raises Invalid if others were asked for.

    `parameters` is what the graph's initializers are kept in, which a session does not tell.
    """
    options = session.get_session_options()
    intra, inter = options.intra_op_num_threads, options.inter_op_num_threads
    if (intra, inter) != (request.threads, request.threads):
        raise Invalid("THREADS", f"{request.threads} threads asked for, ONNX Runtime uses {intra} and {inter}")
    provider, wanted = session.get_providers()[0], request.case.device
    if (provider, logits.device_name()) != (PROVIDERS[wanted], PLACES[wanted]):
        raise Invalid("DEVICE", f"{wanted} was asked for, {provider} was used, with logits on {logits.device_name()}")
    on_gpu, given = wanted == "gpu", session.get_provider_options()[provider]
    computed = precision([logits.numpy().dtype])
    if on_gpu and computed == "fp32" and _rounds_as_tf32(request):
        computed = "tf32"
    return Effective(
        device=wanted,
        precision=computed,
        threads_intra=intra,
        threads_inter=inter,
        tf32=given.get("use_tf32") == "1" if on_gpu else None,
        layout="NCHW" if session.get_inputs()[0].shape[1] == 3 else "NHWC",
        visible_cpus=visible_cpus(),
        cgroup_cpu_quota=cgroup_cpu_quota(),
        shm_bytes=shm_bytes(),
        gpu=gpu_and_driver()[0] if on_gpu else None,
        settings={
            "parameters": parameters,
            "provider": provider,
            "optimization": options.graph_optimization_level.name,
            "execution": options.execution_mode.name,
            **{key.rpartition(".")[2]: _entry(options, key) for key in TUNED},
            **{name: given[name] for name in ("cudnn_conv_algo_search", "enable_cuda_graph") if name in given},
        },
    )


def naming_out_of_memory(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Tell "out of memory" from other errors in the harness's own words."""

    @functools.wraps(function)
    def guarded(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        try:
            return function(*arguments, **named)
        except MemoryError as error:
            raise OutOfMemory(str(error) or "no memory left") from error
        except (RuntimeError, RuntimeException, Fail, EPFail) as error:
            if any(words in str(error) for words in NO_MEMORY):
                raise OutOfMemory(str(error)) from error
            raise

    return guarded


def _rounds_as_tf32(request: Request) -> bool:
    """Compute one product in float32 on the device: whether its factors were rounded. A wrong one raises Invalid."""
    tensors = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [SIDE, SIDE]) for name in (INPUT, OUTPUT))
    node = helper.make_node("MatMul", [INPUT, INPUT], [OUTPUT])
    graph = helper.make_graph([node], "product", [next(tensors)], [next(tensors)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    session = open_session(request, model.SerializeToString())
    binding, _, product = bind(request, session, np.full((SIDE, SIDE), FINE, np.float32))
    session.run_with_iobinding(binding)
    found = product.numpy()
    for factor in (FINE, 1.0):
        if np.allclose(found, SIDE * factor**2, rtol=1e-6, atol=0):
            return factor == 1.0
    raise Invalid("DEVICE", f"a product on {session.get_providers()[0]} gave {found[0, 0]}, not {SIDE * FINE**2}")


def _entry(options: ort.SessionOptions, key: str) -> str:
    try:
        return options.get_session_config_entry(key)
    except RuntimeError:  # nobody set it
        return "default"
