"""One forward pass of a network in evaluation mode."""

import numpy as np
import onnxruntime as ort

from runners.harness.record import Check
from runners.harness.workload import Request, Stage, StepWork
from runners.onnxruntime import device as devices
from runners.onnxruntime.graph import INPUT, save
from runners.onnxruntime.networks import build, counts
from runners.onnxruntime.session import bind, open_session
from runners.reference.batch import REFERENCE_IMAGES, images
from runners.reference.cost import step_cost
from runners.reference.layers import CLASSES
from runners.reference.precision import precision
from runners.reference.sketch import sketch
from runners.reference.weights import digest, weights

TYPES = {"fp32": np.float32, "tf32": np.float32, "fp16": np.float16}


@devices.naming_out_of_memory
def prepare(request: Request) -> StepWork:
    """The network as a file with the shared weights beside it, which is how users come by one.

    Making a session of it, which optimises the graph, is the stage `compile`. A step runs the session on what is
    bound: input and output on the device. Where the transfer belongs to the step, it begins by binding an array in the
    host's memory, which ONNX Runtime copies to a GPU; a CPU reads it where it is.
    """
    case = request.case
    devices.configure(request)
    kind = TYPES[case.precision]
    arrays = weights(case.network, case.seed, CLASSES[case.network])
    shared = digest(arrays)
    arrays = {name: array.astype(kind, copy=False) for name, array in arrays.items()}
    model = build(case.network, arrays, case.batch_size, case.input_size)
    found, kept_in = counts(model), precision(array.dtype for array in arrays.values())
    transfers = case.scope == "transfer+compute"
    path = request.scratch / "network.onnx"
    save(model, arrays, path)
    del model, arrays  # the session has its own
    batch = images(case.seed, case.batch_size, case.input_size).astype(kind, copy=False)

    session: ort.InferenceSession
    binding: ort.IOBinding
    given: ort.OrtValue
    logits: ort.OrtValue

    @devices.naming_out_of_memory
    def make_session() -> None:
        nonlocal session, binding, given, logits
        session = open_session(request, path)
        binding, given, logits = bind(request, session, batch)

    @devices.naming_out_of_memory
    def step() -> ort.OrtValue:
        if transfers:
            binding.bind_cpu_input(INPUT, batch)
        session.run_with_iobinding(binding)
        return logits

    def check() -> Check:
        # What was timed answers for itself, in the shape it was timed in: the session takes no other.
        reference = images(case.seed, max(case.batch_size, REFERENCE_IMAGES), case.input_size).astype(kind, copy=False)
        parts = []
        for start in range(0, len(reference), case.batch_size):
            part = reference[start : start + case.batch_size]
            if transfers:
                batch[:] = part
            else:
                given.update_inplace(part)
            step()
            parts.append(logits.numpy().copy())
        return Check(
            trainable=found.trainable,
            non_trainable=found.non_trainable,
            weights_digest=shared,
            logits_sketch=sketch(np.concatenate(parts)[:REFERENCE_IMAGES]),
        )

    cost = step_cost("infer", case.network, case.input_size, case.batch_size, case.precision)
    return StepWork(
        step=step,
        # ONNX Runtime has waited for the device when a run returns, unless it is told not to.
        synchronize=lambda: None,
        items=case.batch_size,
        check=check,
        effective=lambda: devices.effective(request, session, logits, kept_in),
        close=lambda: None,
        flops=cost.flops,
        bytes=cost.bytes,
        stages={"compile": Stage(make_session)},
    )
