"""Runs in ONNX Runtime's own Python: jobs of probe_steps.py, with further ways to do something wrong."""

import contextlib
import dataclasses
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnxruntime as ort
import probe_steps
from onnx import TensorProto, helper

from runners.harness.faults import fault
from runners.onnxruntime import device, graph, infer, session


def other_threads(request, model, usual=infer.open_session):
    return usual(dataclasses.replace(request, threads=request.threads + 1), model)


def cuda_fails(code, words):
    """Fail like a GPU's driver, with ONNX Runtime's message."""
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
    "other_threads": lambda: patch.object(infer, "open_session", other_threads),
    "nothing asserted": lambda: patch.object(device, "configure", lambda _request: None),
}


def outer_product():
    """A model with an operator that needs 400 TB."""
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
    """The errors of ONNX Runtime for full memory, for an operator's result and for a tensor."""
    kinds = []
    for ask in (outer_product, lambda: ort.OrtValue.ortvalue_from_shape_and_type([10**14], np.float32)):
        try:
            ask()
        except Exception as error:
            kinds.append(fault("onnxruntime", "cpu", error)[1].kind)
    return kinds


def resident():
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def carry_out(_framework, job):
    if job == "allocate":
        return allocate()
    before, held = resident(), []
    usual = infer.inference

    def prepared(*given, **parts):
        held.append(resident() - before)
        return usual(*given, **parts)

    otherwise = OTHERWISE[job["otherwise"]]() if "otherwise" in job else contextlib.nullcontext()
    with otherwise, patch.object(infer, "inference", prepared):
        return {**probe_steps.carry_out("onnxruntime", job), "held_bytes": held[-1] if held else None}


if __name__ == "__main__":
    probe_steps.answer(carry_out)
