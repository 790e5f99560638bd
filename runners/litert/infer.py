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
    """The network as a file, which is what users get. The stage `compile` reads it; a step invokes it on one batch."""
    case, path = request.case, request.scratch / "network.tflite"
    devices.configure(request)
    # TensorFlow converts in a process of its own, so that its memory is not measured.
    converting = multiprocessing.get_context("fork").Process(target=_convert, args=(case, path))
    converting.start()
    converting.join()
    if converting.exitcode:  # if memory is full, the kernel kills with signal 9
        fault = MemoryError if converting.exitcode == -9 else RuntimeError
        raise fault(f"TensorFlow's converter ended with {converting.exitcode}; its messages are above")
    batch, copies = nhwc(images(case.seed, case.batch_size, case.input_size)), begins_on_host(request)
    interpreter = None

    def load() -> None:
        nonlocal interpreter, batch
        interpreter = devices.interpreter_of(request, path)
        devices.set_input(interpreter, batch)
        batch = batch if copies else None  # the model has a copy

    def step() -> None:
        if copies:
            devices.set_input(interpreter, batch)
        interpreter.invoke()

    def logits(part: np.ndarray) -> np.ndarray:
        nonlocal batch
        batch = nhwc(part)
        devices.set_input(interpreter, batch)
        step()
        return devices.result(interpreter)

    return inference(
        request,
        step=step,
        synchronize=lambda: None,  # `invoke` returns when it is done
        logits=logits,
        # Not read back from the file, because the converter folds batch norms.
        parameters=shared_sizes(case.network, CLASSES[case.network]),
        seen=lambda: devices.seen(interpreter),
        stages={"compile": Stage(load)},
    )


def _convert(case: Case, path: Path) -> None:
    from runners.litert.convert import convert

    convert(case, path)
