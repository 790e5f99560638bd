"""One forward pass of a user's own ONNX file."""

import numpy as np
import onnxruntime as ort

from runners.harness.own_code import onnx_of
from runners.harness.workload import Request, Seen, Stage, StepWork
from runners.onnxruntime import device as devices
from runners.onnxruntime.session import bind, open_session
from runners.reference.batch import begins_on_host
from runners.reference.own_model import inference, inputs


def prepare(request: Request) -> StepWork:
    """The file as it is. The stage `compile` makes a session, which optimises the graph for the case's batch."""
    case, transfers = request.case, begins_on_host(request)
    devices.configure(request)
    file = onnx_of(request)
    [tensor] = file.onnx.inputs
    batch = inputs(case, case.batch_size)
    shape = tensor.shape or ()
    sizes = {name: size for name, size in zip(shape, batch.shape, strict=False) if isinstance(name, str)}

    session: ort.InferenceSession
    binding: ort.IOBinding
    given: ort.OrtValue

    def make_session() -> None:
        nonlocal session, binding, given
        session = open_session(request, file.path, sizes)
        binding, given, _ = bind(request, session, batch)

    def step() -> None:
        if transfers:
            binding.bind_cpu_input(tensor.name, batch)
        session.run_with_iobinding(binding)

    def outputs(part: np.ndarray) -> np.ndarray:
        if transfers:
            batch[:] = part
        else:
            given.update_inplace(part)
        step()
        return binding.get_outputs()[0].numpy().copy()

    def seen() -> Seen:
        return devices.seen(request, session, binding.get_outputs()[0], "")

    return inference(
        request,
        step=step,
        synchronize=lambda: None,  # a run returns when the device has finished
        outputs=outputs,
        parameters=file.onnx.parameters or None,
        seen=seen,
        layout="NCHW",
        stages={"compile": Stage(make_session)},
    )
