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
    """The network as a file with the shared weights beside it, which is how users come by one.

    Making a session of it, which optimises the graph, is the stage `compile`. A step runs the session on what is
    bound: input and output on the device. Where the transfer belongs to the step, it begins by binding an array in the
    host's memory, which ONNX Runtime copies to a GPU; a CPU reads it where it is.
    """
    case = request.case
    devices.configure(request)
    kind, transfers = TYPES[case.precision], case.scope == "transfer+compute"
    arrays = weights(case.network, case.seed, CLASSES[case.network])
    arrays = {name: array.astype(kind, copy=False) for name, array in arrays.items()}
    model, path = network(case.network, arrays, case.batch_size, case.input_size), request.scratch / "network.onnx"
    parameters, kept_in = sizes(model), precision(array.dtype for array in arrays.values())
    save(model, arrays, path)
    del model, arrays  # the session has its own
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
        synchronize=lambda: None,  # a run has waited for the device when it returns, unless it is told not to
        logits=logits,
        parameters=parameters,
        seen=lambda: devices.seen(request, session, computed, kept_in),
        stages={"compile": Stage(make_session)},
    )
