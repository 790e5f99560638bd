"""Ten lines: what an ONNX Runtime user writes to time a step."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from runners.harness.workload import Request, Unsupported
from runners.onnxruntime.graph import save
from runners.onnxruntime.networks import build
from runners.reference.batch import images
from runners.reference.layers import CLASSES
from runners.reference.weights import weights

Loop = Callable[[int], list[int]]


def loop_of(request: Request) -> Loop:
    """The loop for a case, on the case's weights and batch. Raises Unsupported for what is no default."""
    case = request.case
    if request.competitor.variant != "ort":
        raise Unsupported("the same loop with other session options; see benchmarks/switches.py")
    arrays = weights(case.network, case.seed, CLASSES[case.network])
    path = request.scratch / "by-hand.onnx"
    save(build(case.network, arrays, case.batch_size, case.input_size), arrays, path)
    return infer(path, images(case.seed, case.batch_size, case.input_size), request.threads)


def infer(model: Path, batch: np.ndarray, threads: int) -> Loop:
    """A loop over a session's runs, input and output bound so that nothing is copied."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input(session.get_inputs()[0].name, batch)
    binding.bind_output(session.get_outputs()[0].name)

    def loop(steps: int) -> list[int]:
        times = []
        for _ in range(steps):
            began = time.perf_counter_ns()
            session.run_with_iobinding(binding)
            times.append(time.perf_counter_ns() - began)
        return times

    return loop
