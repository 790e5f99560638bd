"""Run in ONNX Runtime's own Python: jobs of probe_steps.py, also with one thing done otherwise."""

import contextlib
import dataclasses
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnxruntime as ort
import probe_steps
from onnx import TensorProto, helper

from runners.harness.workload import OutOfMemory
from runners.onnxruntime import device, graph, infer, networks, session


def edited(edit):
    """The runner, with `edit(model, arrays)` done between the shared weights' digest and the file."""
    usual = infer.save

    def save(model, arrays, path):
        edit(model, arrays)
        usual(model, arrays, path)

    return patch.object(infer, "save", save)


def attribute(model, layer, name):
    """An attribute's list of integers, of the operator that has the layer's weights."""
    [node] = [node for node in model.graph.node if f"{layer}.weight" in node.input]
    [found] = [entry for entry in node.attribute if entry.name == name]
    return found.ints


def padded_as_same(model, _arrays):
    """The padding Keras's `same` has at stride 2: one less on the left and the top than on the right."""
    attribute(model, "conv1", "pads")[:] = [2, 2, 3, 3]


def strided_late(model, _arrays):
    """Stride 2 in a block's second convolution instead of its first."""
    attribute(model, "layer2.0.conv1", "strides")[:] = [1, 1]
    attribute(model, "layer2.0.conv2", "strides")[:] = [2, 2]


def bias_off(_model, arrays):
    """One bias of a thousand a little off."""
    arrays["fc.bias"][7] += 0.05


def weights_nan(_model, arrays):
    """A weight that is no number."""
    arrays["fc.weight"][0, 0] = float("nan")


def disjoint_bins(g, x, side, pooled):
    """Bins that do not overlap, each as wide as ⌈side/pooled⌉ at most."""
    nearest = np.zeros((pooled, side))
    for i in range(pooled):
        nearest[i, i * side // pooled] = 1
    return g.add("MatMul", g.add("MatMul", g.constant(nearest), x), g.constant(nearest.T))


def weights_without(layer):
    return lambda *a, usual=infer.weights: {k: v for k, v in usual(*a).items() if not k.startswith(f"{layer}.")}


def weights_with(layer):
    return lambda *a, usual=infer.weights: {**usual(*a), f"{layer}.weight": np.ones((1, 1), np.float32)}


def other_threads(request, model, usual=infer.open_session):
    return usual(dataclasses.replace(request, threads=request.threads + 1), model)


def cuda_fails(code, words):
    """As a GPU's driver does, in the form in which ONNX Runtime tells it."""
    told = (
        f"cuda_call.cc:154 onnxruntime::CudaCall(ERRTYPE) CUDA failure {code}: {words} ; GPU=32712 ; expr=cudaSetDevice"
    )
    stack = contextlib.ExitStack()
    stack.enter_context(patch.object(ort, "get_available_providers", lambda: list(session.PROVIDERS.values())))
    stack.enter_context(patch.object(ort, "preload_dlls", lambda: None))
    stack.enter_context(patch.object(ort, "InferenceSession", side_effect=RuntimeError(told)))
    return stack


OTHERWISE = {
    "no device": lambda: cuda_fails(100, "no CUDA-capable device is detected"),
    "full device": lambda: cuda_fails(2, "out of memory"),
    "keras_epsilon": lambda: patch.object(graph, "BATCH_NORM_EPSILON", 1e-3),
    "padded_as_same": lambda: edited(padded_as_same),
    "strided_late": lambda: edited(strided_late),
    "bias_off": lambda: edited(bias_off),
    "weights_nan": lambda: edited(weights_nan),
    "disjoint_bins": lambda: patch.object(networks, "adaptive_average", disjoint_bins),
    "layer missing": lambda: patch.object(infer, "weights", weights_without("layer3.1.conv2")),
    "layer too many": lambda: patch.object(infer, "weights", weights_with("layer5")),
    "other_threads": lambda: patch.object(infer, "open_session", other_threads),
    "fallen back": lambda: patch.dict(session.PROVIDERS, {"cpu": "CUDAExecutionProvider"}),
    "nothing asserted": lambda: patch.object(device, "configure", lambda _request: None),
}


def outer_product():
    """400 TB, asked for by an operator."""
    x, y, z = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [None, 1]), ("y", [1, None]), ("z", [None, None]))
    )
    made = helper.make_graph([helper.make_node("MatMul", ["x", "y"], ["z"])], "outer", [x, y], [z])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", graph.OPSET)], ir_version=graph.IR_VERSION)
    run = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run
    line = np.ones((10**7, 1), np.float32)
    return run(None, {"x": line, "y": line.T})


def allocate():
    """What the runner's guard calls memory that ONNX Runtime cannot have: as an operator's result, and as a tensor."""
    for ask in (outer_product, lambda: ort.OrtValue.ortvalue_from_shape_and_type([10**14], np.float32)):
        try:
            device.naming_out_of_memory(ask)()
            return {"error": None}
        except OutOfMemory as error:
            answer = {"error": "OutOfMemory", "message": str(error)}
    return answer


def resident():
    """Bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def carry_out(_framework, job):
    if job == "allocate":
        return allocate()
    before, held = resident(), []
    usual = infer.StepWork

    def prepared(**parts):
        held.append(resident() - before)
        return usual(**parts)

    otherwise = OTHERWISE[job["otherwise"]]() if "otherwise" in job else contextlib.nullcontext()
    with otherwise, patch.object(infer, "StepWork", prepared):
        return {**probe_steps.carry_out("onnxruntime", job), "held_bytes": held[-1] if held else None}


if __name__ == "__main__":
    probe_steps.answer(carry_out)
