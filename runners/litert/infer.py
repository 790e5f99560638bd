"""One forward pass of a network in evaluation mode."""

import multiprocessing
from pathlib import Path

import numpy as np

from runners.harness.case import Case
from runners.harness.workload import Request, Stage, StepWork
from runners.litert import device as devices
from runners.reference.batch import begins_on_host, images
from runners.reference.evidence import inference, shared_sizes
from runners.reference.layers import CLASSES
from runners.reference.layout import nhwc


def prepare(request: Request) -> StepWork:
    """The network as a file, which is how users come by one; reading it is a stage, a step invokes it on one input."""
    case, path = request.case, request.scratch / "network.tflite"
    devices.configure(request)
    # TensorFlow runs in a process of its own: what LiteRT needs is measured without it.
    converting = multiprocessing.get_context("fork").Process(target=_convert, args=(case, path))
    converting.start()
    converting.join()
    if converting.exitcode:  # the kernel kills with 9 where memory is full
        fault = MemoryError if converting.exitcode == -9 else RuntimeError
        raise fault(f"TensorFlow's converter ended with {converting.exitcode}; its messages are above")
    batch, copies = nhwc(images(case.seed, case.batch_size, case.input_size)), begins_on_host(request)
    interpreter = None

    def load() -> None:
        nonlocal interpreter, batch
        interpreter = devices.interpreter_of(request, path)
        devices.give(interpreter, batch)
        batch = batch if copies else None  # the model has its own

    def step() -> None:
        if copies:
            devices.give(interpreter, batch)
        interpreter.invoke()

    def logits(part: np.ndarray) -> np.ndarray:
        nonlocal batch
        batch = nhwc(part)
        devices.give(interpreter, batch)
        step()
        return devices.result(interpreter)

    return inference(
        request,
        step=step,
        synchronize=lambda: None,  # `invoke` returns when it is done
        logits=logits,
        parameters=shared_sizes(case.network, CLASSES[case.network]),  # as given: the converter folds batch norms
        seen=lambda: devices.seen(interpreter),
        stages={"compile": Stage(load)},
    )


def _convert(case: Case, path: Path) -> None:
    from runners.litert.convert import convert

    convert(case, path)
