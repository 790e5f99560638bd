"""One forward pass of a user's own ONNX file."""

import numpy as np
import openvino as ov

from runners.harness.own_code import onnx_of
from runners.harness.workload import Request, Stage, StepWork
from runners.openvino import device as devices
from runners.reference.batch import begins_on_host
from runners.reference.own_model import inference, inputs


def prepare(request: Request) -> StepWork:
    """The file as a model for one batch. The stage `compile` compiles it; a step infers one batch."""
    case = request.case
    devices.configure(request)
    file = onnx_of(request)
    batch = inputs(case, case.batch_size)
    model = ov.Core().read_model(file.path)
    model.reshape(list(batch.shape))
    constants = (node for node in model.get_ops() if node.get_type_name() == "Constant")
    types = {kind for node in constants if (kind := node.get_element_type()).is_real()}
    dtypes = {kind.to_dtype() for kind in types}
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

    def outputs(part: np.ndarray) -> np.ndarray:
        batch[:] = part
        step()
        return session.get_output_tensor(0).data.copy()

    return inference(
        request,
        step=step,
        synchronize=lambda: None,  # `infer` returns when it is done
        outputs=outputs,
        parameters=file.onnx.parameters or None,
        seen=lambda: devices.seen(compiled, dtypes),
        layout="NCHW",
        stages={"compile": Stage(compile_model)},
    )
