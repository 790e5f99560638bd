"""One forward pass of a network in evaluation mode."""

import numpy as np
import openvino as ov

from runners.harness.workload import Request, Stage, StepWork
from runners.openvino import device as devices
from runners.openvino.network import Verbs
from runners.reference.batch import begins_on_host, images
from runners.reference.evidence import inference
from runners.reference.layers import CLASSES
from runners.reference.walk import walk
from runners.reference.weights import weights


def prepare(request: Request) -> StepWork:
    """A model with the shared weights as constants. The stage `compile` compiles it; a step infers one batch."""
    case = request.case
    devices.configure(request)
    arrays = weights(case.network, case.seed, CLASSES[case.network])
    given = ov.opset13.parameter([case.batch_size, 3, case.input_size, case.input_size], np.float32)
    model = ov.Model([walk(case.network, Verbs(arrays), given, case.input_size)], [given])
    constants = {node.get_friendly_name(): node for node in model.get_ops() if node.get_type_name() == "Constant"}
    parameters = {name: int(np.prod(constants[name].shape)) for name in arrays if name in constants}
    types = {array.dtype for array in arrays.values()}
    del arrays, constants  # the model has copies
    batch = images(case.seed, case.batch_size, case.input_size)
    copies = begins_on_host(request)
    compiled = session = None

    def compile_model() -> None:
        nonlocal model, compiled, session
        compiled, model = devices.compiled(request, model), None
        session = compiled.create_infer_request()
        session.set_input_tensor(ov.Tensor(batch, shared_memory=True))

    def step() -> None:
        if copies:
            session.set_input_tensor(ov.Tensor(batch, shared_memory=True))
        session.infer(share_outputs=True)

    def logits(part: np.ndarray) -> np.ndarray:
        batch[:] = part
        step()
        return session.get_output_tensor(0).data.copy()

    return inference(
        request,
        step=step,
        synchronize=lambda: None,  # `infer` returns when it is done
        logits=logits,
        parameters=parameters,
        seen=lambda: devices.seen(compiled, types),
        stages={"compile": Stage(compile_model)},
    )
