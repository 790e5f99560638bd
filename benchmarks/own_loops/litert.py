"""The loop that a LiteRT user writes to time a step."""

import multiprocessing

from ai_edge_litert.interpreter import Interpreter

from benchmarks.own_loops.timed import Loop, timed
from runners.harness.workload import Request
from runners.litert.infer import _convert
from runners.reference.batch import images
from runners.reference.layout import nhwc

SWITCHES = {"infer": ("xnnpack",)}
"""Documented switches that are set in code: our variant's."""


def loop_of(request: Request, _name: str) -> Loop:
    """The loop for a case, on the case's weights and batch."""
    case, path = request.case, request.scratch / "by-hand.tflite"
    # TensorFlow must not be loaded into this process, because the runner forks its converter from it.
    converting = multiprocessing.get_context("fork").Process(target=_convert, args=(case, path))
    converting.start()
    converting.join()
    interpreter = Interpreter(str(path), num_threads=request.threads)
    interpreter.allocate_tensors()
    batch = nhwc(images(case.seed, case.batch_size, case.input_size))
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], batch)
    return timed(interpreter.invoke)
