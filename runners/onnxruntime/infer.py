"""One forward pass of a network in evaluation mode."""

import numpy as np
import onnxruntime as ort

from runners.harness.workload import Request, Stage, StepWork
from runners.onnxruntime import device as devices
from runners.onnxruntime.graph import INPUT, network, save, sizes
from runners.onnxruntime.session import bind, open_session
from runners.reference.batch import images
from runners.reference.evidence import inference
from runners.reference.layers import CLASSES
from runners.reference.precision import precision
from runners.reference.weights import weights

TYPES = {"fp32": np.float32, "tf32": np.float32, "fp16": np.float16}


def prepare(request: Request) -> StepWork:
    """The network and the shared weights as files, which is what users get.

    The stage `compile` makes a session, which optimises the graph. A step runs the session with input and output bound
    to memory on the device. If the transfer belongs to the step, the step first binds an array in the host's memory;
    ONNX Runtime copies it to a GPU, and on a CPU reads it in place.
    """
    case = request.case
    devices.configure(request)
    kind, transfers = TYPES[case.precision], case.scope == "transfer+compute"
    arrays = weights(case.network, case.seed, CLASSES[case.network])
    arrays = {name: array.astype(kind, copy=False) for name, array in arrays.items()}
    model, path = network(case.network, arrays, case.batch_size, case.input_size), request.scratch / "network.onnx"
    parameters, parameter_precision = sizes(model), precision(array.dtype for array in arrays.values())
    save(model, arrays, path)
    del model, arrays  # the session reads copies from the files
    batch = images(case.seed, case.batch_size, case.input_size).astype(kind, copy=False)

    session: ort.InferenceSession
    binding: ort.IOBinding
    given: ort.OrtValue
    computed: ort.OrtValue

    def make_session() -> None:
        nonlocal session, binding, given, computed
        session = open_session(request, path)
        binding, given, computed = bind(request, session, batch)

    def step() -> None:
        if transfers:
            binding.bind_cpu_input(INPUT, batch)
        session.run_with_iobinding(binding)

    def logits(part: np.ndarray) -> np.ndarray:
        if transfers:
            batch[:] = part
        else:
            given.update_inplace(part.astype(kind, copy=False))
        step()
        return computed.numpy().copy()

    return inference(
        request,
        step=step,
        synchronize=lambda: None,  # a run returns when the device has finished
        logits=logits,
        parameters=parameters,
        seen=lambda: devices.seen(request, session, computed, parameter_precision),
        stages={"compile": Stage(make_session)},
    )
