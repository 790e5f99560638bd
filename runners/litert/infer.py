"""One forward pass of a network in evaluation mode."""

import multiprocessing
from pathlib import Path

import numpy as np

from runners.harness.case import Case
from runners.harness.workload import Invalid, Request, Stage, StepWork
from runners.litert import device as devices
from runners.reference.batch import begins_on_host, images
from runners.reference.evidence import inference
from runners.reference.layers import CLASSES, layers
from runners.reference.layout import nhwc


def prepare(request: Request) -> StepWork:
    """The network as a file, which is how users come by one; reading it is a stage, a step invokes it on one input."""
    case, path = request.case, request.scratch / "network.tflite"
    devices.configure(request)
    # TensorFlow runs in a process of its own: what LiteRT needs is measured without it.
    converting = multiprocessing.get_context("fork").Process(target=_convert, args=(case, path))
    converting.start()
    converting.join()
    if converting.exitcode != 0:
        raise Invalid(
            "CONVERSION", f"TensorFlow's converter ended with {converting.exitcode}; its words are in the log"
        )
    batch, copies = nhwc(images(case.seed, case.batch_size, case.input_size)), begins_on_host(request)
    interpreter = None

    def load() -> None:
        nonlocal interpreter
        interpreter = devices.interpreter_of(request, path)
        devices.give(interpreter, batch)

    def step() -> None:
        if copies:
            devices.give(interpreter, batch)
        interpreter.invoke()

    def logits(part: np.ndarray) -> np.ndarray:
        batch[:] = nhwc(part)
        devices.give(interpreter, batch)
        step()
        return devices.result(interpreter)

    sizes = {layer.name: layer.sizes for layer in layers(case.network, CLASSES[case.network])}
    return inference(
        request,
        step=step,
        synchronize=lambda: None,  # `invoke` returns when it is done
        logits=logits,
        # Those that the converter was given: it folds batch norms into convolutions.
        parameters={f"{name}.{part}": size for name, parts in sizes.items() for part, size in parts.items()},
        seen=lambda: devices.seen(interpreter),
        stages={"compile": Stage(load)},
    )


def _convert(case: Case, path: Path) -> None:
    from runners.litert.convert import convert

    convert(case, path)
