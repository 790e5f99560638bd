"""The loop that an OpenVINO user writes to time a step."""

import numpy as np
import openvino as ov

from benchmarks.own_loops.timed import Loop, timed
from runners.harness.workload import Request
from runners.openvino.network import Verbs
from runners.reference.batch import images
from runners.reference.layers import CLASSES
from runners.reference.walk import walk
from runners.reference.weights import weights

SWITCHES = {"infer": ("openvino",)}
"""Documented switches that are set in code: our variant's."""


def loop_of(request: Request, _name: str) -> Loop:
    """The loop for a case, on the case's weights and batch."""
    case = request.case
    given = ov.opset13.parameter([case.batch_size, 3, case.input_size, case.input_size], np.float32)
    verbs = Verbs(weights(case.network, case.seed, CLASSES[case.network]))
    model = ov.Model([walk(case.network, verbs, given, case.input_size)], [given])
    settings = {"INFERENCE_NUM_THREADS": request.threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    infer = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
    infer.set_input_tensor(ov.Tensor(images(case.seed, case.batch_size, case.input_size)))
    return timed(lambda: infer.infer(share_outputs=True))
