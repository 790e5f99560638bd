"""One forward pass of a user's own .tflite file."""

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from runners.harness.own_code import built
from runners.harness.workload import Request, Stage, StepWork, Unusable
from runners.litert import device as devices
from runners.reference.batch import begins_on_host
from runners.reference.own_model import channels_last, inference, inputs


def prepare(request: Request) -> StepWork:
    """The file as it is. The stage `compile` reads it for the case's batch; a step invokes it on one batch."""
    case = request.case
    devices.configure(request)
    path = request.model.path.parent / built(request, (str, Path), "the path of a .tflite file")
    if not path.is_file():
        raise Unusable(f"{path}: no such file")
    batch, copies = channels_last(inputs(case, case.batch_size)), begins_on_host(request)
    interpreter: Interpreter

    def load() -> None:
        nonlocal interpreter
        interpreter = devices.interpreter_of(request, path, batch.shape)
        ends = len(interpreter.get_input_details()), len(interpreter.get_output_details())
        if ends != (1, 1):
            raise Unusable(f"{path.name} has {ends[0]} inputs and {ends[1]} outputs, and must have one of each")
        devices.set_input(interpreter, batch)

    def step() -> None:
        if copies:
            devices.set_input(interpreter, batch)
        interpreter.invoke()

    def outputs(part: np.ndarray) -> np.ndarray:
        batch[:] = channels_last(part)
        devices.set_input(interpreter, batch)
        step()
        return devices.result(interpreter)

    return inference(
        request,
        step=step,
        synchronize=lambda: None,  # `invoke` returns when it is done
        outputs=outputs,
        parameters=None,  # the file does not tell them from other constants
        seen=lambda: devices.seen(interpreter),
        layout="NHWC",
        stages={"compile": Stage(load)},
    )
