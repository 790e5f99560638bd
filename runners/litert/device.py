"""What LiteRT is told, and what it tells of itself."""

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from runners.harness.workload import Invalid, Request, Seen
from runners.reference.precision import precision

WHY = "LiteRT does not report its threads; it was given the number that was requested"


def configure(request: Request) -> None:
    """Raise Invalid where the case's device is none that this contestant runs on."""
    if request.case.device != "cpu":
        raise Invalid("DEVICE", "a GPU was requested, this contestant runs LiteRT on a CPU alone")


def interpreter_of(request: Request, path: Path) -> Interpreter:
    """An interpreter of the model in a file, its memory laid out."""
    interpreter = Interpreter(str(path), num_threads=request.threads)
    interpreter.allocate_tensors()
    return interpreter


def give(interpreter: Interpreter, images: np.ndarray) -> None:
    """Copy a batch to where the model reads it."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)


def result(interpreter: Interpreter) -> np.ndarray:
    """A copy of the logits."""
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def seen(interpreter: Interpreter) -> Seen:
    """What was in effect, read back from the model and its logits."""
    kinds = {np.dtype(one["dtype"]) for one in interpreter.get_tensor_details()}
    return Seen(
        device="cpu",
        precision=precision([result(interpreter).dtype]),
        threads_intra=None,
        layout="NHWC" if interpreter.get_input_details()[0]["shape"][-1] == 3 else "NCHW",
        parameters=precision(kind for kind in kinds if kind.kind == "f"),
        settings={"operations": ", ".join(sorted({one["op_name"] for one in interpreter._get_ops_details()}))},
        unknown={"threads_intra": WHY, "threads_inter": WHY},
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether LiteRT says so that memory is full; it has no exception of its own for it."""
    return isinstance(error, RuntimeError) and any(words in str(error) for words in ("bad_alloc", "Failed to allocate"))
