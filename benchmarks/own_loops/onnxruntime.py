"""The loop that an ONNX Runtime user writes to time a step."""

from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.own_loops.timed import Loop, timed
from runners.harness.workload import Request
from runners.onnxruntime.graph import network, save
from runners.reference.batch import images
from runners.reference.layers import CLASSES
from runners.reference.weights import weights

SWITCHES = {
    "infer": ("ort", "spinning off", "parallel execution", "no memory pattern", "no arena", "denormals as zero"),
}
"""Documented switches that are set in code."""


def loop_of(request: Request, name: str) -> Loop:
    """The loop for a case, with defaults or with a switch, on the case's weights and batch."""
    case = request.case
    arrays = weights(case.network, case.seed, CLASSES[case.network])
    path = request.scratch / "by-hand.onnx"
    save(network(case.network, arrays, case.batch_size, case.input_size), arrays, path)
    return infer(path, images(case.seed, case.batch_size, case.input_size), switched(name, request.threads))


def switched(name: str, threads: int) -> onnxruntime.SessionOptions:
    """Session options with the switch."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    if name == "spinning off":
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if name == "parallel execution":
        options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    if name == "tuned":
        options.add_session_config_entry("session.dynamic_block_base", "4")
    if name in ("denormals as zero", "tuned"):
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.enable_mem_pattern = name != "no memory pattern"
    options.enable_cpu_mem_arena = name != "no arena"
    return options


def infer(model: Path, batch: np.ndarray, options: onnxruntime.SessionOptions) -> Loop:
    """A loop over a session's runs, with input and output bound so that nothing is copied."""
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input(session.get_inputs()[0].name, batch)
    binding.bind_output(session.get_outputs()[0].name)
    return timed(lambda: session.run_with_iobinding(binding))
